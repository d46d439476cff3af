import { afterAll, assert, describe, it } from "@effect/vitest"
import { FaultProxy, Servers } from "@heddle/testkit"
import { brokerLaws } from "@heddle/testkit/laws"
import * as NatsClient from "@nats-io/transport-node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Broker, type Message, Topic } from "heddle/messaging"
import { Nats, NatsBroker } from "../src/index.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const server = await Effect.runPromise(Scope.provide(Servers.nats, scope))
const proxy = await Effect.runPromise(Scope.provide(FaultProxy.make(server), scope))

const options = { servers: [`nats://127.0.0.1:${proxy.port}`], commandTimeout: "1 second" } as const
const layer = NatsBroker.layer(options)

brokerLaws("nats", layer, {
  groups: true,
  shared: true,
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
})

const client = Effect.acquireRelease(
  Effect.promise(() => NatsClient.connect({ servers: server.url })),
  (client) => Effect.promise(() => client.close())
)
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.timeout(effect, "50 seconds")

describe("a broker on NATS", () => {
  it.live("carries messages to and from other clients as they are", () =>
    Effect.gen(function*() {
      const broker = yield* Broker.Broker
      const other = yield* client
      const subscription = yield* broker.subscribe("plain.>")
      const back: Array<string> = []
      other.subscribe("heddle.back", {
        callback: (_, message) => void back.push(`${message.string()} ${message.headers?.get("by")}`)
      })
      yield* Effect.promise(() => other.flush())
      other.publish("heddle.plain.a", "hello")
      const [heard] = Array.from(yield* inTime(Stream.runCollect(Stream.take(subscription.events, 1))))
      if (heard?._tag !== "Message") return assert.fail("a gap")
      assert.deepStrictEqual([heard.subject, new TextDecoder().decode(heard.payload)], ["plain.a", "hello"])
      yield* broker.publish([{ subject: "back", payload: new TextEncoder().encode("hi"), headers: { by: "heddle" } }])
      yield* Effect.promise(() => other.flush())
      yield* inTime(Effect.repeat(Effect.sleep(5), { until: () => back.length > 0 }))
      assert.deepStrictEqual(back, ["hi heddle"])
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(layer))))

  it.live("keeps prefixes apart, and refuses one that is no token", () =>
    Effect.gen(function*() {
      const build = (prefix: string) =>
        Effect.map(Layer.build(Layer.fresh(NatsBroker.layer({ ...options, prefix }))), Context.get(Broker.Broker))
      const [one, two] = [yield* build("one"), yield* build("two")]
      const heard = yield* one.subscribe(">")
      yield* two.publish([{ subject: "a", payload: Uint8Array.of(2) }])
      yield* one.publish([{ subject: "a", payload: Uint8Array.of(1) }])
      const [first] = Array.from(yield* inTime(Stream.runCollect(Stream.take(heard.events, 1))))
      assert.isTrue(first?._tag === "Message" && first.payload[0] === 1)
      assert.strictEqual((yield* Effect.flip(build("a.b")))._tag, "StoreUnavailable")
    }).pipe(Effect.scoped))

  it.live("tells of every connection that is replaced before the first message behind it", () =>
    Effect.gen(function*() {
      const broker = yield* Broker.Broker
      const other = yield* client
      const { events, stats } = yield* broker.subscribe("n", { buffer: Infinity })
      let sent = 0
      const send = Effect.sync(() => other.publish("heddle.n", String(sent++)))
      const publishing = yield* Effect.forkScoped(
        Effect.forever(Effect.andThen(send, Effect.promise(() => other.flush())))
      )
      for (let resets = 1; resets <= 8; resets++) {
        const { received } = yield* stats
        yield* proxy.reset
        yield* inTime(Effect.repeat(stats, {
          until: (now) => now.reconnected >= resets && now.received > received,
          schedule: Schedule.spaced(5)
        }))
      }
      yield* Fiber.interrupt(publishing)
      other.publish("heddle.n", "end")
      const text = (event: Message.Message | Message.Gap) =>
        event._tag === "Gap" ? "gap" : new TextDecoder().decode(event.payload)
      const until = Stream.takeUntil(events, (one) => text(one) === "end")
      const seen = Array.from(yield* inTime(Stream.runCollect(until)), text)
      let expected: number | undefined
      for (const one of seen.slice(0, -1)) {
        if (one !== "gap" && expected !== undefined) assert.strictEqual(Number(one), expected)
        expected = one === "gap" ? undefined : Number(one) + 1
      }
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(layer))))

  it.live("tells of a connection that was reset, and hears again", () =>
    Effect.gen(function*() {
      const broker = yield* Broker.Broker
      const { events, stats } = yield* broker.subscribe("reset")
      yield* proxy.reset
      yield* inTime(
        Effect.repeat(stats, { until: ({ reconnected }) => reconnected === 1, schedule: Schedule.spaced(5) })
      )
      yield* inTime(Effect.retry(broker.publish([{ subject: "reset", payload: Uint8Array.of(1) }]), {
        schedule: Schedule.spaced(20)
      }))
      const heard = yield* inTime(Stream.runCollect(Stream.take(events, 2)))
      assert.deepStrictEqual(
        Array.from(heard, (event) => event._tag === "Gap" ? event.cause : event.subject),
        ["Reconnected", "reset"]
      )
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(layer))))

  it.live("tells of a gap when what is published then is heard", () =>
    Effect.gen(function*() {
      const broker = yield* Broker.Broker
      const other = yield* client
      const { events } = yield* broker.subscribe("slow")
      yield* proxy.latency("50 millis")
      yield* Effect.addFinalizer(() => proxy.heal)
      yield* proxy.reset
      const heard = yield* inTime(Stream.runCollect(
        Stream.take(events, 2).pipe(Stream.tap((event) =>
          Effect.sync(() => {
            if (event._tag === "Gap") other.publish("heddle.slow", "after")
          })
        ))
      ))
      assert.deepStrictEqual(
        Array.from(heard, (event) => event._tag === "Gap" ? event.cause : event.subject),
        ["Reconnected", "slow"]
      )
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(layer))))

  it.live("fails at once while there is no server, keeps nothing for later, and says what to look at", () =>
    Effect.gen(function*() {
      const own = yield* Servers.nats
      const broker = Context.get(
        yield* Layer.build(Layer.fresh(NatsBroker.layer({ servers: [own.url], commandTimeout: "1 second" }))),
        Broker.Broker
      )
      const { events } = yield* broker.subscribe("later")
      yield* own.kill
      const publish = (byte: number) => broker.publish([{ subject: "later", payload: Uint8Array.of(byte) }])
      // The first may be on its way when the server dies.
      yield* inTime(Effect.repeat(Effect.exit(publish(0)), { until: Exit.isFailure }))
      const error = yield* Effect.flip(publish(1))
      assert.match(error.message, /cannot be reached/)
      yield* own.restart()
      yield* inTime(Effect.retry(publish(2), { schedule: Schedule.spaced(20) }))
      const bytes = Stream.filterMap(
        events,
        (event) => event._tag === "Message" ? Result.succeed(event.payload[0]) : Result.failVoid
      )
      const heard = Array.from(yield* inTime(Stream.runCollect(Stream.takeUntil(bytes, (byte) => byte === 2))))
      assert.notInclude(heard, 1)
    }).pipe(Effect.scoped))

  it.live("waits for a server that is just being started", () =>
    Effect.gen(function*() {
      const own = yield* Servers.nats
      yield* own.kill
      const opening = yield* Effect.forkScoped(
        Layer.build(Layer.fresh(Nats.layer({ servers: [own.url], connectTimeout: "30 seconds" })))
      )
      yield* Effect.sleep(100)
      yield* own.restart()
      const { isUp } = Context.get(yield* inTime(Fiber.join(opening)), Nats.Nats)
      assert.isTrue(isUp())
    }).pipe(Effect.scoped))

  it.live("does not open where no server is, or where the credentials are refused", () =>
    Effect.gen(function*() {
      const closed = Layer.build(Nats.layer({ servers: ["nats://127.0.0.1:1"], connectTimeout: "1 second" }))
      assert.match((yield* Effect.flip(closed)).message, /cannot be reached/)
      const named = Layer.build(Nats.layer({ ...options, username: "a", password: Redacted.make("b") }))
      yield* named
    }).pipe(Effect.scoped))

  it.live("AC-40.3: typed values pass, and what another client garbled goes to the sink", () =>
    Effect.gen(function*() {
      const topic = Topic.make({ name: "typed", payload: Schema.Struct({ n: Schema.Int }) })
      const other = yield* client
      const found: Array<string> = []
      const { messages } = yield* topic.subscribe({
        onUndecodable: ({ payload }) => Effect.sync(() => void found.push(new TextDecoder().decode(payload)))
      })
      other.publish("heddle.typed", "garbled")
      yield* Effect.promise(() => other.flush())
      yield* topic.publish({ n: 1 })
      const [heard] = Array.from(yield* inTime(Stream.runCollect(Stream.take(messages, 1))))
      assert.deepStrictEqual([heard?.value, found], [{ n: 1 }, ["garbled"]])
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(layer))))
})
