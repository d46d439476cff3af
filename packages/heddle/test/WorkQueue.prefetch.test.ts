import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { JobStore, WorkQueue } from "heddle/messaging"

const queue = WorkQueue.make({ name: "ahead", payload: Schema.Number })
const memory = Layer.fresh(JobStore.layerMemory)

/** A test on virtual time, with a store of its own. */
const test = <A, E>(title: string, body: Effect.Effect<A, E, JobStore.All | Scope.Scope>) =>
  it.effect(title, () => body.pipe(Effect.provide(memory), Effect.provideService(Metric.MetricRegistry, new Map())))

const running = Effect.map(
  Metric.snapshot,
  (all) => all.flatMap(({ id, state }) => id === "heddle_jobs_running" && "value" in state ? [Number(state.value)] : [])
)

describe("WorkQueue that claims ahead", () => {
  test(
    "it claims so many more than it works on, and begins them in order",
    Effect.gen(function*() {
      const begun: Array<number> = []
      const go = yield* Deferred.make<void>()
      yield* queue.process((n) => Effect.andThen(Effect.sync(() => begun.push(n)), Deferred.await(go)), {
        concurrency: 2,
        prefetch: 4,
        grace: 0
      })
      yield* queue.enqueueAll([1, 2, 3, 4, 5, 6, 7, 8, 9])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([begun, (yield* queue.stats).claimed], [[1, 2], 6])
      assert.deepStrictEqual(yield* running, [2])
      yield* Deferred.succeed(go, undefined)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(begun, [1, 2, 3, 4, 5, 6, 7, 8, 9])
      assert.deepStrictEqual(yield* running, [0])
      assert.strictEqual((yield* queue.stats).claimed, 0)
    })
  )

  test(
    "it claims many at a time, when half of what it may have has begun",
    Effect.gen(function*() {
      const store = yield* JobStore.JobStore
      const claims: Array<number> = []
      const counted = JobStore.JobStore.of({
        ...store,
        claim: (queue, request) =>
          Effect.tap(store.claim(queue, request), (jobs) => Effect.sync(() => claims.push(jobs.length)))
      })
      yield* queue.enqueueAll(Array.from({ length: 40 }, (_, n) => n))
      yield* queue.process(() => Effect.sleep(10), { prefetch: 9, grace: 0 }).pipe(
        Effect.provideService(JobStore.JobStore, counted)
      )
      yield* TestClock.adjust(500)
      assert.deepStrictEqual(claims, [5, 5, 4, 4, 4, 4, 4, 4, 4, 2, 0])
      assert.strictEqual((yield* queue.stats).claimed, 0)
    })
  )

  test(
    "jobs that end at once are many, and none is begun in the call of another",
    Effect.gen(function*() {
      let done = 0
      yield* queue.enqueueAll(Array.from({ length: 10_000 }, (_, n) => n))
      const count = Effect.sync(() => done++)
      yield* queue.process((n) => n === 0 ? Effect.andThen(Effect.sleep(10), count) : count, {
        prefetch: 9999,
        grace: 0
      })
      yield* TestClock.adjust(1)
      assert.strictEqual(done, 0)
      yield* TestClock.adjust(10)
      assert.strictEqual(done, 10_000)
    })
  )

  test(
    "the end of the scope hands back at once what has not begun, uncounted, and waits for what has",
    Effect.gen(function*() {
      const begun: Array<number> = []
      const scope = yield* Scope.make()
      yield* queue.process((n) => Effect.andThen(Effect.sync(() => begun.push(n)), Effect.sleep(500)), { prefetch: 3 })
        .pipe(Scope.provide(scope))
      yield* queue.enqueueAll([1, 2, 3, 4])
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* queue.stats).claimed, 4)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(1)
      const { claimed, waiting } = yield* queue.stats
      assert.deepStrictEqual([claimed, waiting], [1, 3])
      yield* TestClock.adjust(500)
      yield* Fiber.join(closing)
      const store = yield* JobStore.JobStore
      const left = yield* store.claim("ahead", { max: 10, waitFor: 0 })
      assert.deepStrictEqual(left.map(({ attempt }) => attempt), [1, 1, 1])
      assert.deepStrictEqual(begun, [1])
    })
  )

  test(
    "the claim of a job that waits for its place is renewed",
    Effect.gen(function*() {
      const attempts: Array<number> = []
      yield* queue.process(
        (_, { attempt }) => Effect.andThen(Effect.sync(() => attempts.push(attempt)), Effect.sleep(3000)),
        { prefetch: 2, ttl: 1000, grace: 0 }
      )
      yield* queue.enqueueAll([1, 2, 3])
      yield* Effect.forEach(Array.from({ length: 91 }), () => TestClock.adjust(100))
      assert.deepStrictEqual(attempts, [1, 1, 1])
      assert.deepStrictEqual(yield* queue.stats, { waiting: 0, delayed: 0, claimed: 0, dead: 0, paused: false })
    })
  )

  test(
    "the wait for a place counts for the age of a job and for its deadline",
    Effect.gen(function*() {
      const ages: Array<number> = []
      yield* queue.process(
        (n, { age }) => Effect.andThen(Effect.sync(() => ages.push(age)), n === 4 ? Effect.never : Effect.sleep(100)),
        { prefetch: 3, grace: 0 }
      )
      yield* queue.enqueueAll([1, 2, 3, 4], (n) => n === 3 ? { deadline: 150 } : n === 4 ? { deadline: 250 } : {})
      yield* TestClock.adjust(200)
      assert.deepStrictEqual(ages, [0, 100, 200])
      assert.deepStrictEqual((yield* queue.stats).dead, 1)
      yield* TestClock.adjust(50)
      assert.deepStrictEqual((yield* queue.stats).dead, 2)
    })
  )

  test(
    "a job that is cancelled while it waits for its place is not begun, and the next has its turn",
    Effect.gen(function*() {
      const begun: Array<number> = []
      yield* queue.process((n) => Effect.andThen(Effect.sync(() => begun.push(n)), Effect.sleep(100)), {
        prefetch: 2,
        grace: 0
      })
      yield* queue.enqueueAll([1, 2, 3], (n) => ({ id: `${n}` }))
      yield* TestClock.adjust(1)
      assert.isTrue(yield* queue.cancel("2"))
      yield* TestClock.adjust(300)
      assert.deepStrictEqual(begun, [1, 3])
      assert.deepStrictEqual(yield* queue.stats, { waiting: 0, delayed: 0, claimed: 0, dead: 0, paused: false })
    })
  )
})
