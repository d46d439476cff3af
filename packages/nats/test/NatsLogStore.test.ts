import { afterAll, assert, describe, it } from "@effect/vitest"
import { FaultProxy, Servers } from "@heddle/testkit"
import { logLaws } from "@heddle/testkit/laws"
import { type ConsumerInfo, jetstreamManager } from "@nats-io/jetstream"
import { connect } from "@nats-io/transport-node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { LogStore } from "heddle/messaging"
import { NatsLogStore } from "../src/index.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const server = await Effect.runPromise(Scope.provide(Servers.nats, scope))
const proxy = await Effect.runPromise(Scope.provide(FaultProxy.make(server), scope))

const options = { servers: [`nats://127.0.0.1:${proxy.port}`], commandTimeout: "2 seconds" } as const

logLaws("nats", NatsLogStore.layer(options), {
  shared: true,
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
})

const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.timeout(effect, "50 seconds")
const build = (prefix: string) =>
  Effect.map(Layer.build(Layer.fresh(NatsLogStore.layer({ ...options, prefix }))), Context.get(LogStore.LogStore))
const manager = Effect.flatMap(
  Effect.acquireRelease(
    Effect.promise(() => connect({ servers: server.url })),
    (client) => Effect.promise(() => client.close())
  ),
  (client) => Effect.promise(() => jetstreamManager(client))
)
const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, at) => from + at)
const entries = (some: ReadonlyArray<number>) => some.map((one) => ({ payload: new TextEncoder().encode(String(one)) }))
const take = ({ entries }: LogStore.Reading, count: number) =>
  Effect.map(
    inTime(Stream.runCollect(Stream.take(entries, count))),
    (all) => Array.from(all, ({ payload }) => Number(new TextDecoder().decode(payload)))
  )

describe("logs on NATS", () => {
  it.live("a reader goes on when its consumer is taken away, and leaves none behind", () =>
    Effect.gen(function*() {
      const { consumers } = yield* manager
      const store = yield* build("taken")
      yield* store.append("l", entries(numbers(600)))
      const names = Effect.promise(async () => {
        // In the place of one that goes just then the server lists nothing, whatever the type says.
        const listed: ReadonlyArray<ConsumerInfo | null> = await consumers.list("taken=logs=l").next()
        return listed.flatMap((one) => one?.name ?? [])
      })
      const reading = yield* Effect.forkScoped(Effect.flatMap(store.read("l", "oldest"), (found) => take(found, 900)))
      yield* inTime(Effect.repeat(names, { until: (all) => all.length === 1 }))
      for (const name of yield* names) yield* Effect.promise(() => consumers.delete("taken=logs=l", name))
      yield* store.append("l", entries(numbers(300, 600)))
      assert.deepStrictEqual(yield* Fiber.join(reading), numbers(900))
      yield* inTime(Effect.repeat(names, { until: (all) => all.length === 0 }))
    }).pipe(Effect.scoped))

  it.live("a slow reader is asked for no more than it has room for", () =>
    Effect.gen(function*() {
      const { consumers } = yield* manager
      const store = yield* build("slow")
      yield* store.append("l", entries(numbers(2000)))
      const { entries: all } = yield* store.read("l", "oldest")
      const one = yield* Effect.forkScoped(Stream.runForEach(all, () => Effect.never))
      const delivered = Effect.promise(async () => {
        let most = 0
        for await (const { delivered } of consumers.list("slow=logs=l")) most = delivered.consumer_seq
        return most
      })
      assert.isAtMost(yield* inTime(Effect.repeat(delivered, { until: (count) => count > 0 })), 256)
      yield* Effect.sleep(100)
      assert.isAtMost(yield* delivered, 256)
      yield* Fiber.interrupt(one)
    }).pipe(Effect.scoped))

  it.live("the server keeps what is asked for, and is told when that is something else", () =>
    Effect.gen(function*() {
      const { streams } = yield* manager
      const store = yield* build("kept")
      yield* store.append("l", entries(numbers(50)))
      const kept = Effect.promise(async () => {
        const { config, state } = await streams.info("kept=logs=l")
        return [state.messages, config.max_msgs, config.max_age / 1e9]
      })
      assert.deepStrictEqual(yield* kept, [50, -1, 0])
      yield* store.append("l", entries([50]), { count: 10, age: "1 minute" })
      assert.deepStrictEqual(yield* kept, [10, 10, 60])
      yield* store.append("l", entries([51]), { count: 20 })
      assert.deepStrictEqual(yield* kept, [11, 20, 0])
      assert.deepStrictEqual(yield* take(yield* store.read("l", "oldest"), 11), numbers(11, 41))
    }).pipe(Effect.scoped))

  it.live("who is further than a log that was made anew is told so", () =>
    Effect.gen(function*() {
      const { streams } = yield* manager
      const store = yield* build("anew")
      yield* store.append("l", entries(numbers(5)))
      yield* Effect.promise(() => streams.delete("anew=logs=l"))
      const { entries: all } = yield* store.read("l", { offset: 6n })
      assert.deepInclude(yield* inTime(Effect.flip(Stream.runDrain(all))), { _tag: "Trimmed", oldest: 1n })
      yield* store.append("l", entries([7]))
      assert.deepStrictEqual(yield* take(yield* store.read("l", "oldest"), 1), [7])
    }).pipe(Effect.scoped))
})
