import { afterAll, assert, describe, it } from "@effect/vitest"
import { brokerLaws } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Broker, type Message } from "heddle/messaging"
import { RedisBroker } from "../src/index.ts"
import * as RedisTest from "./RedisTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { admin, proxy, server, url } = await Effect.runPromise(Scope.provide(RedisTest.make, scope))

const options = { url, commandTimeout: "2 seconds" } as const

brokerLaws("redis", RedisBroker.layer(options), {
  shared: true,
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
})

const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.timeout(effect, "50 seconds")
const build = (prefix: string) =>
  Effect.map(Layer.build(Layer.fresh(RedisBroker.layer({ ...options, prefix }))), Context.get(Broker.Broker))

describe("a broker on Redis", () => {
  it.live("tells of every connection that is replaced before the first message behind it", () =>
    Effect.gen(function*() {
      const broker = yield* build("ordered")
      const { events, stats } = yield* broker.subscribe("n", { buffer: Infinity })
      let sent = 0
      const publishing = yield* Effect.forkScoped(Effect.forever(Effect.andThen(
        Effect.suspend(() => broker.publish([{ subject: "n", payload: new TextEncoder().encode(String(sent++)) }])),
        Effect.yieldNow
      )))
      for (let kills = 1; kills <= 8; kills++) {
        yield* admin((redis) => redis.call("CLIENT", "KILL", "TYPE", "pubsub"))
        yield* inTime(
          Effect.repeat(stats, { until: ({ reconnected }) => reconnected >= kills, schedule: Schedule.spaced(5) })
        )
      }
      yield* Fiber.interrupt(publishing)
      yield* broker.publish([{ subject: "n", payload: new TextEncoder().encode("end") }])
      const text = (event: Message.Message | Message.Gap) =>
        event._tag === "Gap" ? "gap" : new TextDecoder().decode(event.payload)
      const seen = Array.from(
        yield* inTime(Stream.runCollect(Stream.takeUntil(events, (one) => text(one) === "end"))),
        text
      )
      let expected: number | undefined
      for (const one of seen.slice(0, -1)) {
        if (one !== "gap" && expected !== undefined) assert.strictEqual(Number(one), expected)
        expected = one === "gap" ? undefined : Number(one) + 1
      }
    }).pipe(Effect.scoped))

  it.live("keeps prefixes apart, also those that look like patterns, and leaves out what is none of its messages", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* build("a*[b]?"), yield* build("axxxb]?")]
      const heard = yield* one.subscribe("s.>")
      yield* two.publish([{ subject: "s.t", payload: Uint8Array.of(2) }])
      yield* admin((redis) => redis.publish("a*[b]?:topic:s.t", "what is this"))
      yield* one.publish([{ subject: "s.t", payload: Uint8Array.of(1) }])
      const [first] = Array.from(yield* inTime(Stream.runCollect(Stream.take(heard.events, 1))))
      assert.isTrue(first?._tag === "Message" && first.payload[0] === 1)
    }).pipe(Effect.scoped))

  it.live("tells all subscriptions of a connection that was killed, and stops to listen with the last", () =>
    Effect.gen(function*() {
      const broker = yield* build("killed")
      const channels = admin((redis) => redis.pubsub("CHANNELS", "killed:*"))
      yield* Effect.scoped(Effect.gen(function*() {
        const all = [yield* broker.subscribe("a"), yield* broker.subscribe("a"), yield* broker.subscribe("*")]
        yield* admin((redis) => redis.call("CLIENT", "KILL", "TYPE", "pubsub"))
        for (const { stats } of all) {
          yield* inTime(
            Effect.repeat(stats, { until: ({ reconnected }) => reconnected > 0, schedule: Schedule.spaced(5) })
          )
        }
        yield* broker.publish([{ subject: "a", payload: Uint8Array.of(1) }])
        for (const { events } of all) {
          const heard = Array.from(yield* inTime(Stream.runCollect(Stream.take(events, 2))))
          assert.deepStrictEqual(heard.map(({ _tag }) => _tag), ["Gap", "Message"])
        }
        assert.strictEqual((yield* channels).length, 1)
      }))
      yield* inTime(Effect.repeat(channels, { until: (all) => all.length === 0, schedule: Schedule.spaced(5) }))
    }).pipe(Effect.scoped))
})
