import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { TestClock } from "effect/testing"
import { DistributedLock, LeaseStore } from "heddle/coordination"

/** Seconds, of all. */
const told = (id: string) =>
  Effect.map(Metric.snapshot, (all) => {
    const metric = all.find((metric) => metric.id === id)
    assert.strictEqual(metric?.type, "Histogram")
    return metric?.type === "Histogram" ? metric.state.sum : NaN
  })
const times = Effect.all([told("heddle_lock_wait_seconds"), told("heddle_lock_hold_seconds")])

/** Until somebody stands in the line of this process, who began before the instant that it answers with. */
const lined = Effect.gen(function*() {
  for (let turn = 0; turn < 9; turn++) yield* Effect.yieldNow
  return performance.now()
})

const provided = <A, E>(effect: Effect.Effect<A, E, LeaseStore.LeaseStore>) =>
  effect.pipe(
    Effect.provide(Layer.fresh(LeaseStore.layerMemory)),
    Effect.provideService(Metric.MetricRegistry, new Map())
  )

describe.each(["arrival", "cohort"] as const)("how long a lock was waited for and held, %s", (order) => {
  const { withLock } = DistributedLock
  const options = { order }

  it.effect("is told by the clock of whoever takes it", () =>
    provided(Effect.gen(function*() {
      const one = withLock("k", options)(Effect.sleep("3 seconds"))
      const both = yield* Effect.forkChild(Effect.all([one, one], { concurrency: 2 }))
      yield* TestClock.adjust("6 seconds")
      yield* Fiber.join(both)
      assert.deepStrictEqual(yield* times, [3, 6])
    })))

  it.effect("is told by that clock where the store has another", () =>
    Effect.gen(function*() {
      const live = Context.get(Context.empty(), Clock.Clock)
      const store = yield* Effect.provideService(Layer.build(LeaseStore.layerMemory), Clock.Clock, live)
      const section = Effect.andThen(TestClock.adjust("2 seconds"), lined)
      yield* Effect.provideContext(withLock("k", options)(section), store)
      assert.deepStrictEqual(yield* times, [0, 2])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.live("is not less than was seen inside, nor more than was seen outside", () =>
    provided(Effect.gen(function*() {
      const inside: Array<number> = []
      const section = Effect.gen(function*() {
        const from = performance.now()
        const known = yield* lined
        inside.push(from, known, performance.now())
      })
      const before = performance.now()
      yield* Effect.all([withLock("k", options)(section), withLock("k", options)(section)], { concurrency: 2 })
      const after = performance.now()
      const [from = NaN, known = NaN, to = NaN, from2 = NaN, , to2 = NaN] = inside
      const [waited, held] = yield* times
      assert.isAtLeast(waited * 1000, to - known)
      assert.isAtMost(waited * 1000, from - before + from2 - before)
      assert.isAtLeast(held * 1000, to - from + to2 - from2 - 1e-6)
      assert.isAtMost((waited + held) * 1000, 2 * (after - before))
    })))
})
