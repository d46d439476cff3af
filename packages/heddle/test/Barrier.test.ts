import { assert, describe, it } from "@effect/vitest"
import { barrierLaws } from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import { TestClock } from "effect/testing"
import { Barrier, KvStore, Lease } from "heddle/coordination"
import * as SharedKvMemory from "./SharedKvMemory.ts"

barrierLaws("memory", SharedKvMemory.layer)

type Store = KvStore.KvStore["Service"]

/** Runs on a store that is other than the one below. */
const on = (change: (store: Store) => Partial<Store>) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.updateService(effect, KvStore.KvStore, (store) => ({ ...store, ...change(store) }))

const unavailable = new Lease.StoreUnavailable({ backend: "memory", message: "cut off" })
const { await: pair } = Barrier.make({ key: "pair", parties: 2, ttl: "1 day", waitFor: Infinity })

describe("Barrier in memory", () => {
  for (const made of [true, false]) {
    it.live(`opens by a write that was not answered; it ${made ? "was" : "was not"} made`, () =>
      Effect.gen(function*() {
        let lost = false
        const losing = on((store) => ({
          compareAndSet: (...args) => {
            if (lost) return store.compareAndSet(...args)
            lost = true
            return Effect.andThen(made ? Effect.ignore(store.compareAndSet(...args)) : Effect.void, unavailable)
          }
        }))
        yield* losing(Effect.all([pair, pair], { concurrency: 2 }))
        assert.isTrue(lost)
      }).pipe(Effect.provide(KvStore.layerMemory)))
  }

  it.effect("one that comes to a generation which has just been broken stands in the next", () =>
    Effect.gen(function*() {
      let broken = false
      const late = on((store) => ({
        get: (key) =>
          Effect.tap(store.get(key), () => {
            if (broken) return Effect.void
            broken = true
            return Effect.ignore(store.put(key, new TextEncoder().encode(JSON.stringify({ of: "0", members: [] }))))
          })
      }))
      yield* late(Barrier.make({ key: "alone", parties: 1 }).await)
      assert.isTrue(broken)
    }).pipe(Effect.provide(KvStore.layerMemory)))

  it.effect("those who wait go on though the last generation is forgotten", () =>
    Effect.gen(function*() {
      yield* Effect.all([pair, pair], { concurrency: 2 })
      const waiting = yield* Effect.forkChild(pair, { startImmediately: true })
      yield* TestClock.adjust("2 days")
      assert.isUndefined(waiting.pollUnsafe())
      assert.isFalse((yield* (yield* KvStore.KvStore).range("heddle/barrier/pair/state")).entries.length > 0)
      yield* pair
      yield* Fiber.join(waiting)
    }).pipe(Effect.provide(KvStore.layerMemory)))

  it.effect("leaves nothing behind but the end of its last generation, for a day", () =>
    Effect.gen(function*() {
      const store = yield* KvStore.KvStore
      yield* Effect.all([pair, pair], { concurrency: 2 })
      assert.deepStrictEqual((yield* store.range("")).entries.map(({ key }) => key), ["heddle/barrier/pair/state"])
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual((yield* store.range("")).entries, [])
    }).pipe(Effect.provide(KvStore.layerMemory)))

  it.effect("counts awaits by how they ended", () =>
    Effect.gen(function*() {
      yield* Effect.all([pair, pair], { concurrency: 2 })
      const waiting = yield* Effect.forkChild(Effect.flip(pair), { startImmediately: true })
      yield* Effect.flip(Barrier.make({ key: "pair", parties: 3 }).await)
      const hasty = yield* Effect.forkChild(Effect.flip(Barrier.make({ key: "trio", parties: 3, waitFor: 10 }).await), {
        startImmediately: true
      })
      const leaver = yield* Effect.forkChild(Effect.flip(pair), { startImmediately: false })
      yield* Fiber.interrupt(leaver)
      yield* TestClock.adjust(10)
      yield* Fiber.join(hasty)
      yield* Fiber.interrupt(waiting)
      const counts = (yield* Metric.snapshot).flatMap((one) =>
        one.id === "heddle_barrier_awaits_total" && one.type === "Counter"
          ? [[one.attributes?.["outcome"], Number(one.state.count)]]
          : []
      )
      assert.sameDeepMembers(counts, [["passed", 2], ["error", 1], ["timeout", 2]])
    }).pipe(Effect.provide(KvStore.layerMemory), Effect.provideService(Metric.MetricRegistry, new Map())))
})
