import { afterAll, assert, describe, it } from "@effect/vitest"
import { FaultProxy, Servers } from "@heddle/testkit"
import { brokerLaws } from "@heddle/testkit/laws"
import { connect } from "amqplib"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Broker, type Message, Topic } from "heddle/messaging"
import { RabbitMq, RabbitMqBroker } from "../src/index.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const server = await Effect.runPromise(Scope.provide(Servers.rabbitmq, scope))
const proxy = await Effect.runPromise(Scope.provide(FaultProxy.make(server), scope))

const options = { servers: [`amqp://127.0.0.1:${proxy.port}`], commandTimeout: "2 seconds" } as const
const layer = RabbitMqBroker.layer(options)

brokerLaws("rabbitmq", layer, {
  groups: true,
  shared: true,
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
})

const exchange = "heddle.topics"

/** A channel of a client that knows nothing of Heddle. */
const client = Effect.map(
  Effect.acquireRelease(
    Effect.promise(async () => {
      const connection = await connect(server.url)
      const channel = await connection.createConfirmChannel()
      channel.on("error", () => {})
      return { connection, channel }
    }),
    ({ connection }) => Effect.promise(() => connection.close())
  ),
  ({ channel }) => channel
)
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.timeout(effect, "40 seconds")
const untilThat = <E, R>(
  stats: Effect.Effect<Message.SubscriptionStats, E, R>,
  holds: (now: Message.SubscriptionStats) => boolean
) => inTime(Effect.repeat(stats, { until: holds, schedule: Schedule.spaced(5) }))
const text = (event: Message.Message | Message.Gap) =>
  event._tag === "Gap" ? "gap" : new TextDecoder().decode(event.payload)
const next = (subscription: Broker.Subscription, count: number) =>
  Effect.map(inTime(Stream.runCollect(Stream.take(subscription.events, count))), (all) => Array.from(all, text))
const both = Effect.map(Layer.build(Layer.fresh(layer)), (services) => ({
  broker: Context.get(services, Broker.Broker),
  groups: Context.get(services, Broker.BrokerGroups)
}))
const bytes = (text: string) => new TextEncoder().encode(text)

describe("a broker on RabbitMQ", () => {
  it.live("carries messages to and from other clients as they are", () =>
    Effect.gen(function*() {
      const broker = yield* Broker.Broker
      const other = yield* client
      const subscription = yield* broker.subscribe("plain.>")
      const back: Array<string> = []
      yield* Effect.promise(async () => {
        const { queue } = await other.assertQueue("", { exclusive: true })
        await other.bindQueue(queue, exchange, "back")
        await other.consume(queue, (message) => {
          back.push(`${message?.content.toString()} ${message?.properties.headers?.["by"]}`)
        }, { noAck: true })
      })
      other.publish(exchange, "plain.a", Buffer.from("hello"), { headers: { n: 1, deep: { no: 1 }, yes: true } })
      const [heard] = Array.from(yield* inTime(Stream.runCollect(Stream.take(subscription.events, 1))))
      if (heard?._tag !== "Message") return assert.fail("a gap")
      assert.deepStrictEqual([heard.subject, text(heard)], ["plain.a", "hello"])
      assert.deepStrictEqual<Message.Headers>({ ...heard.headers }, { n: "1", yes: "true" })
      yield* broker.publish([{ subject: "back", payload: bytes("hi"), headers: { by: "heddle" } }])
      yield* inTime(Effect.repeat(Effect.sleep(5), { until: () => back.length > 0 }))
      assert.deepStrictEqual(back, ["hi heddle"])
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(layer))))

  it.live("keeps prefixes apart, and refuses one that is no name", () =>
    Effect.gen(function*() {
      const build = (prefix: string) =>
        Effect.map(Layer.build(Layer.fresh(RabbitMqBroker.layer({ ...options, prefix }))), Context.get(Broker.Broker))
      const [one, two] = [yield* build("one"), yield* build("two")]
      const heard = yield* one.subscribe(">")
      yield* two.publish([{ subject: "a", payload: bytes("2") }])
      yield* one.publish([{ subject: "a", payload: bytes("1") }])
      assert.deepStrictEqual(yield* next(heard, 1), ["1"])
      for (const prefix of ["", "a.b", "x".repeat(51)]) {
        assert.strictEqual((yield* Effect.flip(build(prefix)))._tag, "StoreUnavailable")
      }
    }).pipe(Effect.scoped))

  it.live("refuses a header whose name is too long for it, and what comes with it is no worse for that", () =>
    Effect.scoped(Effect.gen(function*() {
      const { broker } = yield* both
      const heard = yield* broker.subscribe("long")
      const publish = (length: number) =>
        broker.publish([{ subject: "long", payload: Uint8Array.of(65), headers: { ["x".repeat(length)]: "y" } }])
      const [fits, refused] = yield* Effect.all([publish(255), Effect.flip(publish(256))], { concurrency: "unbounded" })
      assert.deepStrictEqual([fits, refused._tag], [undefined, "StoreUnavailable"])
      assert.deepStrictEqual(yield* next(heard, 1), ["A"])
    })))

  it.live("leaves no queue behind when subscribers leave, also those of groups with long names", () =>
    Effect.gen(function*() {
      const { broker, groups } = yield* both
      const other = yield* client
      const pattern = `long.${"x".repeat(190)}.>`
      yield* Effect.scoped(Effect.gen(function*() {
        yield* broker.subscribe("left")
        const members = [yield* groups.join(pattern, "g".repeat(100)), yield* groups.join(pattern, "g".repeat(100))]
        yield* broker.publish([{ subject: pattern.replace(">", "a"), payload: bytes("once") }])
        const received = Effect.map(
          Effect.forEach(members, ({ stats }) => stats),
          (all) => all.reduce((sum, { received }) => sum + received, 0)
        )
        yield* inTime(Effect.repeat(received, { until: (sum) => sum === 1, schedule: Schedule.spaced(5) }))
        yield* groups.join("left", "short")
        yield* Effect.promise(() => other.checkQueue("heddle.short|left"))
      }))
      const gone = yield* Effect.flip(Effect.tryPromise(() => other.checkQueue("heddle.short|left")))
      assert.match(String(gone.cause), /NOT_FOUND/)
    }).pipe(Effect.scoped))

  it.live("members come and go, and whoever joins is live: no message is for nobody", () =>
    Effect.gen(function*() {
      const [{ groups }, { broker }] = [yield* both, yield* both]
      let member = yield* Scope.make()
      yield* Scope.provide(groups.join("busy", "g"), member)
      for (let round = 0; round < 20; round++) {
        const leaving = member
        member = yield* Scope.make()
        const [joined] = yield* Effect.all(
          [Scope.provide(groups.join("busy", "g"), member), Scope.close(leaving, Exit.void)],
          { concurrency: "unbounded" }
        )
        yield* broker.publish([{ subject: "busy", payload: bytes(String(round)) }])
        assert.deepStrictEqual(yield* next(joined, 1), [String(round)])
      }
      yield* Scope.close(member, Exit.void)
    }).pipe(Effect.scoped))

  it.live("tells of every connection that is replaced before the first message behind it", () =>
    Effect.gen(function*() {
      const broker = yield* Broker.Broker
      const other = yield* client
      const { events, stats } = yield* broker.subscribe("n", { buffer: Infinity })
      let sent = 0
      const send = Effect.promise(() => {
        other.publish(exchange, "n", Buffer.from(String(sent++)))
        return other.waitForConfirms()
      })
      const publishing = yield* Effect.forkScoped(Effect.forever(send))
      for (let resets = 1; resets <= 8; resets++) {
        const { received } = yield* stats
        yield* proxy.reset
        yield* untilThat(stats, (now) => now.reconnected >= resets && now.received > received)
      }
      yield* Fiber.interrupt(publishing)
      other.publish(exchange, "n", Buffer.from("end"))
      const until = Stream.takeUntil(events, (one) => text(one) === "end")
      const seen = Array.from(yield* inTime(Stream.runCollect(until)), text)
      let expected: number | undefined
      for (const one of seen.slice(0, -1)) {
        if (one !== "gap" && expected !== undefined) assert.strictEqual(Number(one), expected)
        expected = one === "gap" ? undefined : Number(one) + 1
      }
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(layer))))

  it.live("what is published after a gap was told is heard", () =>
    Effect.gen(function*() {
      const broker = yield* Broker.Broker
      const other = yield* client
      const subscription = yield* broker.subscribe("gap")
      for (let resets = 1; resets <= 5; resets++) {
        yield* proxy.reset
        yield* untilThat(subscription.stats, ({ reconnected }) => reconnected === resets)
        other.publish(exchange, "gap", Buffer.from(String(resets)))
        assert.deepStrictEqual(yield* next(subscription, 2), ["gap", String(resets)])
      }
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(layer))))

  it.live("a queue that somebody removes is made again, and that is told", () =>
    Effect.gen(function*() {
      const { groups } = yield* both
      const other = yield* client
      const member = yield* groups.join("removed", "g")
      yield* Effect.promise(() => other.deleteQueue("heddle.g|removed"))
      yield* untilThat(member.stats, ({ reconnected }) => reconnected === 1)
      other.publish(exchange, "removed", Buffer.from("again"))
      assert.deepStrictEqual(yield* next(member, 2), ["gap", "again"])
    }).pipe(Effect.scoped))

  it.live("a connection that falls silent is replaced; meanwhile all fails at once, and nothing is kept for later", () =>
    Effect.gen(function*() {
      const services = yield* Layer.build(Layer.provideMerge(RabbitMqBroker.layerFrom(), RabbitMq.layer(options)))
      const broker = Context.get(services, Broker.Broker)
      const rabbit = Context.get(services, RabbitMq.RabbitMq)
      const subscription = yield* broker.subscribe("later")
      const publish = (text: string) => broker.publish([{ subject: "later", payload: bytes(text) }])
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
        // Nobody sends anything: the heartbeats tell.
        const isUp = Effect.isSuccess(rabbit.step(() => Promise.resolve()))
        yield* inTime(Effect.repeat(isUp, { while: (up) => up, schedule: Schedule.spaced(5) }))
        assert.match((yield* Effect.flip(publish("1"))).message, /cannot be reached/)
        assert.strictEqual((yield* Effect.flip(broker.subscribe("none")))._tag, "StoreUnavailable")
      }))
      yield* untilThat(subscription.stats, ({ reconnected }) => reconnected === 1)
      yield* inTime(Effect.retry(publish("2"), { schedule: Schedule.spaced(20) }))
      assert.deepStrictEqual(yield* next(subscription, 2), ["gap", "2"])
    }).pipe(Effect.scoped))

  it.live("does not open where no server is, or where it is not let in, and tells why without the password", () =>
    Effect.gen(function*() {
      const refusal = (more: RabbitMq.Options) =>
        Effect.map(
          Effect.flip(Effect.scoped(Layer.build(RabbitMq.layer({ ...options, ...more })))),
          ({ message }) => message
        )
      assert.match(yield* refusal({ servers: ["amqp://127.0.0.1:1"] }), /cannot be reached/)
      assert.match(yield* refusal({ servers: ["no address"] }), /no address/)
      const secret = yield* refusal({ username: "a", password: Redacted.make("secret") })
      assert.match(secret, /refused the credentials/)
      assert.notInclude(secret, "secret")
      const inAddress = yield* refusal({ servers: [`amqp://b:secret@127.0.0.1:${proxy.port}`] })
      assert.match(inAddress, /refused the credentials/)
      assert.notInclude(inAddress, "secret")
      assert.match(yield* refusal({ vhost: "no/where" }), /virtual host/)
      yield* Layer.build(RabbitMq.layer({ servers: ["amqp://127.0.0.1:1", server.url] }))
    }).pipe(Effect.scoped))

  it.live("AC-40.3: typed values pass, and what another client garbled goes to the sink", () =>
    Effect.gen(function*() {
      const topic = Topic.make({ name: "typed", payload: Schema.Struct({ n: Schema.Int }) })
      const other = yield* client
      const found: Array<string> = []
      const { messages } = yield* topic.subscribe({
        onUndecodable: ({ payload }) => Effect.sync(() => void found.push(new TextDecoder().decode(payload)))
      })
      other.publish(exchange, "typed", Buffer.from("garbled"))
      yield* Effect.promise(() => other.waitForConfirms())
      yield* topic.publish({ n: 1 })
      const [heard] = Array.from(yield* inTime(Stream.runCollect(Stream.take(messages, 1))))
      assert.deepStrictEqual([heard?.value, found], [{ n: 1 }, ["garbled"]])
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(layer))))
})
