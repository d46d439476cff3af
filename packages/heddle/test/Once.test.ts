import { assert, describe, it } from "@effect/vitest"
import { onceLaws } from "@heddle/testkit/laws"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import { type KvEntry, KvStore, Lease, Once } from "heddle/coordination"
import * as SharedKvMemory from "./SharedKvMemory.ts"

onceLaws("memory", SharedKvMemory.layer)

const options = { key: "key", success: Schema.Int }
type Store = KvStore.KvStore["Service"]

/** Runs on a store that is other than the one below. */
const on = (change: (store: Store) => Partial<Store>) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.updateService(effect, KvStore.KvStore, (store) => ({ ...store, ...change(store) }))

const unavailable = new Lease.StoreUnavailable({ backend: "memory", message: "cut off" })

const counts = Effect.map(
  Metric.snapshot,
  (all) =>
    Object.fromEntries(all.flatMap((one) =>
      one.id === "heddle_once_calls_total" && one.type === "Counter"
        ? [[one.attributes?.["outcome"], Number(one.state.count)]]
        : []
    ))
)

describe("Once in memory", () => {
  it.live("the loss of the lease interrupts the run, and the caller is told", () =>
    Effect.gen(function*() {
      const leases: Array<KvEntry.KvLease> = []
      const ended = yield* Deferred.make<string>()
      const begun = yield* Deferred.make<void>()
      const run = Once.run(options)(
        Effect.andThen(Deferred.succeed(begun, undefined), Effect.never).pipe(
          Effect.onInterrupt(() => Deferred.succeed(ended, "interrupted"))
        )
      )
      const noting = on((store) => ({
        lease: (options) => Effect.tap(store.lease(options), (lease) => Effect.sync(() => leases.push(lease)))
      }))
      const runner = yield* Effect.forkChild(Effect.flip(noting(run)))
      yield* Deferred.await(begun)
      leases[0]?.releaseUnsafe()
      assert.deepInclude(yield* Fiber.join(runner), { _tag: "LeaseLost", reason: "released" })
      assert.strictEqual(yield* Deferred.await(ended), "interrupted")
    }).pipe(Effect.provide(KvStore.layerMemory)))

  for (const made of [true, false]) {
    it.live(`a result whose writing was not answered is written again; it ${made ? "was" : "was not"} made`, () =>
      Effect.gen(function*() {
        let writes = 0
        let runs = 0
        const once = Once.run(options)(Effect.sync(() => ++runs))
        const losing = on((store) => ({
          compareAndSet: (...args) =>
            ++writes === 2
              ? Effect.andThen(made ? Effect.ignore(store.compareAndSet(...args)) : Effect.void, unavailable)
              : store.compareAndSet(...args)
        }))
        assert.strictEqual(yield* losing(once), 1)
        assert.deepStrictEqual([yield* once, runs], [1, 1])
      }).pipe(Effect.provide(KvStore.layerMemory)))
  }

  it.effect("a failure is not told to who comes after it, though it is still there", () =>
    Effect.gen(function*() {
      const failed = new TextEncoder().encode(JSON.stringify({ _tag: "Failed", error: "old" }))
      yield* (yield* KvStore.KvStore).put("heddle/once/key", failed)
      assert.strictEqual(yield* Once.run({ ...options, error: Schema.String })(Effect.succeed(1)), 1)
    }).pipe(Effect.provide(KvStore.layerMemory)))

  it.effect("a result that its schema refuses is a defect, and is not kept", () =>
    Effect.gen(function*() {
      const bad = yield* Effect.exit(Once.run(options)(Effect.succeed(1.5)))
      assert.isTrue(bad._tag === "Failure" && bad.cause.reasons.some(({ _tag }) => _tag === "Die"))
      assert.strictEqual(yield* Once.run(options)(Effect.succeed(1)), 1)
    }).pipe(Effect.provide(KvStore.layerMemory)))

  it.effect("counts calls by how they ended", () =>
    Effect.gen(function*() {
      const failing = { ...options, key: "failing", error: Schema.String }
      yield* Effect.flip(Once.run(failing)(Effect.fail("no")))
      yield* Once.run(options)(Effect.succeed(1))
      yield* Once.run(options)(Effect.succeed(2))
      yield* Effect.flip(Once.run({ ...options, input: "other" })(Effect.succeed(2)))
      yield* Once.run({ ...options, key: "slow" })(
        Effect.as(Effect.exit(Once.run({ ...options, key: "slow", waitFor: 0 })(Effect.succeed(2))), 1)
      )
      assert.deepStrictEqual(yield* counts, { failed: 1, ran: 2, shared: 1, conflict: 1, timeout: 1 })
    }).pipe(Effect.provide(KvStore.layerMemory), Effect.provideService(Metric.MetricRegistry, new Map())))
})
