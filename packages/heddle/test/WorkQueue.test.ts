import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Job, JobStore, WorkQueue } from "heddle/messaging"
import { Deadline } from "heddle/resilience"

class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", { size: Schema.Number }) {}

const queue = WorkQueue.make({
  name: "numbers",
  payload: Schema.Number,
  success: Schema.String,
  error: TooLarge,
  progress: Schema.Number
})

const at = (millis: number) => Schedule.spaced(millis)
const memory = Layer.fresh(JobStore.layerMemory)

/** A test on virtual time, with a store of its own. */
const test = <A, E>(title: string, body: Effect.Effect<A, E, JobStore.All | Scope.Scope>) =>
  it.effect(title, () => body.pipe(Effect.provide(memory), Effect.provideService(Metric.MetricRegistry, new Map())))

describe("WorkQueue", () => {
  test(
    "AC-36.6: a job that is enqueued and awaited brings its result",
    Effect.gen(function*() {
      yield* queue.process((n) => Effect.succeed(`<${n}>`))
      assert.strictEqual(yield* queue.enqueueAndAwait(7), "<7>")
    })
  )

  test(
    "a worker whose handlers never wait hears of each job that comes later",
    Effect.gen(function*() {
      const done: Array<number> = []
      yield* queue.process((n) => Effect.sync(() => `${done.push(n)}`))
      yield* TestClock.adjust(1)
      yield* Effect.forEach([1, 2, 3], (n) => Effect.andThen(queue.enqueue(n), TestClock.adjust(1)))
      assert.deepStrictEqual(done, [1, 2, 3])
    })
  )

  test(
    "no more handlers run at once than its concurrency, and no more is claimed",
    Effect.gen(function*() {
      let running = 0
      let most = 0
      const done: Array<number> = []
      yield* queue.process(
        (n) =>
          Effect.gen(function*() {
            most = Math.max(most, ++running)
            yield* Effect.sleep(10)
            running--
            done.push(n)
            return ""
          }),
        { concurrency: 3 }
      )
      yield* queue.enqueueAll([1, 2, 3, 4, 5, 6, 7, 8])
      yield* TestClock.adjust(5)
      assert.deepStrictEqual(yield* queue.stats, { waiting: 5, delayed: 0, claimed: 3, dead: 0, paused: false })
      yield* TestClock.adjust(100)
      assert.deepStrictEqual([most, done], [3, [1, 2, 3, 4, 5, 6, 7, 8]])
    })
  )

  test(
    "AC-36.2: two workers share twenty jobs evenly, whoever came first",
    Effect.gen(function*() {
      const done = [0, 0]
      yield* queue.enqueueAll(Array.from({ length: 20 }, (_, n) => n))
      for (const worker of [0, 1]) {
        yield* queue.process(() =>
          Effect.andThen(Effect.sleep(50), Effect.sync(() => String(done[worker] = (done[worker] ?? 0) + 1)))
        )
      }
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(done, [10, 10])
    })
  )

  test(
    "a job that fails is tried again when its schedule says, and its error reaches who waits when that ends",
    Effect.gen(function*() {
      const attempts: Array<number> = []
      yield* queue.process(
        (n, { attempt }) =>
          Effect.andThen(Effect.sync(() => attempts.push(attempt)), Effect.fail(new TooLarge({ size: n }))),
        { retry: Schedule.upTo(at(1000), { times: 2 }) }
      )
      const waiting = yield* Effect.forkChild(Effect.flip(queue.enqueueAndAwait(9)))
      yield* TestClock.adjust(999)
      assert.deepStrictEqual(attempts, [1])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(attempts, [1, 2])
      yield* TestClock.adjust(1000)
      const error = yield* Fiber.join(waiting)
      assert.deepStrictEqual([error._tag, attempts], ["TooLarge", [1, 2, 3]])
      const [letter] = yield* queue.deadLetters()
      assert.include(letter?.failure.cause, "TooLarge")
    })
  )

  test(
    "a defect fails its job and not the worker",
    Effect.gen(function*() {
      yield* queue.process((n) => n === 1 ? Effect.die(new Error("oh")) : Effect.succeed("fine"))
      const bad = yield* Effect.forkChild(Effect.flip(queue.enqueueAndAwait(1, { maxAttempts: 1 })))
      assert.strictEqual(yield* queue.enqueueAndAwait(2), "fine")
      const error = yield* Fiber.join(bad)
      assert.include(error.message, "oh")
    })
  )

  test(
    "AC-40.3: a payload that does not decode is a dead letter with its bytes, and the next job goes on",
    Effect.gen(function*() {
      const store = yield* JobStore.JobStore
      const old = new TextEncoder().encode("{\"version\":1}")
      const torn = Uint8Array.of(0xff, 0xfe)
      yield* store.enqueue("numbers", [{ payload: old }, { payload: torn }])
      let calls = 0
      yield* queue.process(() => Effect.sync(() => String(++calls)))
      assert.strictEqual(yield* queue.enqueueAndAwait(1), "1")
      const letters = yield* queue.deadLetters()
      assert.deepStrictEqual(letters.map(({ payload }) => payload), [old, torn])
      for (const { attempts, failure } of letters) {
        assert.include(failure.cause, "does not decode")
        assert.strictEqual(attempts, 1)
      }
    })
  )

  test(
    "AC-E1: a job whose worker dies is done by another, and one with an id has its effect once",
    Effect.gen(function*() {
      const store = yield* JobStore.JobStore
      const effects = new Set<string>()
      yield* queue.enqueue(1, { id: "order-1" })
      // A worker that dies: it claims, and never says anything again.
      const [lost] = yield* store.claim("numbers", { ttl: 1000 })
      yield* queue.process((_, { id }) => Effect.sync(() => (effects.add(id), "done")))
      yield* TestClock.adjust(999)
      assert.strictEqual(effects.size, 0)
      yield* TestClock.adjust(1)
      assert.isFalse((yield* queue.enqueue(1, { id: "order-1" })).added)
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual([...effects], ["order-1"])
      assert.strictEqual(lost?.attempt, 1)
    })
  )

  test(
    "a job that kills every worker ends as a dead letter",
    Effect.gen(function*() {
      const store = yield* JobStore.JobStore
      yield* queue.enqueue(1, { maxAttempts: 3 })
      for (const attempt of [1, 2, 3]) {
        const [job] = yield* store.claim("numbers", { ttl: 100, waitFor: 0 })
        assert.strictEqual(job?.attempt, attempt)
        yield* TestClock.adjust(100)
      }
      assert.strictEqual((yield* queue.stats).dead, 1)
    })
  )

  test(
    "a long job is renewed for as long as its handler runs",
    Effect.gen(function*() {
      let starts = 0
      const slow = Effect.andThen(Effect.sync(() => starts++), Effect.as(Effect.sleep("1 minute"), "slow"))
      yield* queue.process(() => slow, { ttl: 1000, concurrency: 2 })
      const waiting = yield* Effect.forkChild(queue.enqueueAndAwait(1))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([yield* Fiber.join(waiting), starts], ["slow", 1])
    })
  )

  /** The same store, but the way to it: `hinder` is run before it hears of ends. */
  const hindered = (store: JobStore.JobStore["Service"], hinder: Effect.Effect<boolean>) => {
    const unavailable = new Job.StoreUnavailable({ backend: "memory", message: "away" })
    return JobStore.JobStore.of({
      ...store,
      settleAll: (ends) =>
        Effect.flatMap(
          hinder,
          (reaches) => reaches ? store.settleAll(ends) : Effect.succeed(ends.map(() => unavailable))
        )
    })
  }
  const outcomes = (registry: Map<string, unknown>) =>
    Effect.map(
      Metric.snapshot,
      (all) =>
        all.flatMap(({ attributes, id, state }) =>
          id === "heddle_jobs_total" && "count" in state && Number(state.count) > 0
            ? [`${attributes?.["outcome"]} ${state.count}`]
            : []
        )
    ).pipe(Effect.provideService(Metric.MetricRegistry, registry as Map<string, never>))

  test(
    "an end is told until the store has heard it, and the place of its job is free meanwhile",
    Effect.gen(function*() {
      const store = yield* JobStore.JobStore
      let away = 3
      const done: Array<number> = []
      yield* Effect.provideService(
        queue.process((n) => Effect.sync(() => `${done.push(n)}`)),
        JobStore.JobStore,
        hindered(store, Effect.sync(() => away-- <= 0))
      )
      yield* queue.enqueueAll([1, 2])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([done, (yield* queue.stats).claimed], [[1, 2], 2])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* queue.stats, { waiting: 0, delayed: 0, claimed: 0, dead: 0, paused: false })
      assert.deepStrictEqual(done, [1, 2])
    })
  )

  test(
    "no more ends than there are places wait to be heard before it claims no more",
    Effect.gen(function*() {
      const store = yield* JobStore.JobStore
      let done = 0
      yield* Effect.provideService(
        queue.process(() => Effect.sync(() => `${++done}`), { concurrency: 3, grace: 0 }),
        JobStore.JobStore,
        hindered(store, Effect.succeed(false))
      )
      yield* queue.enqueueAll([1, 2, 3, 4, 5, 6, 7, 8, 9])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual([done, (yield* queue.stats).waiting], [6, 3])
    })
  )

  test(
    "an end that is on its way while the claim is found to be over counts as what the store makes of it",
    Effect.gen(function*() {
      const store = yield* JobStore.JobStore
      const registry = new Map<string, never>()
      yield* queue.process(() => Effect.succeed(""), { ttl: 1000 }).pipe(
        Effect.provideService(
          JobStore.JobStore,
          JobStore.JobStore.of({
            ...store,
            // The store hears it at once, and its answer comes when the claim has been over for long.
            settleAll: (ends) => Effect.tap(store.settleAll(ends), () => Effect.sleep(5000))
          })
        ),
        Effect.provideService(Metric.MetricRegistry, registry)
      )
      yield* queue.enqueue(1)
      yield* TestClock.adjust(10_000)
      assert.deepStrictEqual(yield* outcomes(registry), ["Completed 1"])
    })
  )

  test(
    "a cancelled job is interrupted, and who waits for it is told",
    Effect.gen(function*() {
      const stopped = yield* Deferred.make<void>()
      yield* queue.process(() => Effect.onInterrupt(Effect.never, () => Deferred.succeed(stopped, undefined)))
      const waiting = yield* Effect.forkChild(Effect.flip(queue.enqueueAndAwait(1, { id: "a" })))
      yield* TestClock.adjust(1)
      assert.isTrue(yield* queue.cancel("a"))
      yield* Deferred.await(stopped)
      const error = yield* Fiber.join(waiting)
      assert.deepStrictEqual(error._tag === "JobFailed" ? error.reason : error._tag, "cancelled")
    })
  )

  test(
    "a job that is cancelled by the first steps of its own handler is interrupted",
    Effect.gen(function*() {
      const stopped = yield* Deferred.make<void>()
      const run = Effect.runForkWith(yield* Effect.context<JobStore.JobControl>())
      yield* queue.process(() =>
        // In one step: before the next the worker would look by itself.
        Effect.callback<never>(() => {
          run(queue.cancel("a"))
          return Deferred.succeed(stopped, undefined)
        })
      )
      yield* queue.enqueue(1, { id: "a" })
      yield* Deferred.await(stopped)
    })
  )

  test(
    "a handler that waits when its claim ends is interrupted",
    Effect.gen(function*() {
      const stopped = yield* Deferred.make<void>()
      const store = yield* JobStore.JobStore
      yield* store.enqueue("numbers", [{ payload: new Uint8Array() }])
      const jobs = yield* store.claim("numbers", { ttl: 1000 })
      const [job] = jobs
      if (job === undefined) return yield* Effect.die("nothing was claimed")
      const context = yield* Effect.context<never>()
      const told: Array<unknown> = []
      const effect = Effect.onInterrupt(Effect.never, () => Deferred.succeed(stopped, undefined))
      const fiber = store.keepUnsafe(job, effect, context, (exit) => told.push(exit))
      assert.isDefined(fiber)
      // Renewed in time, it outlives its ttl.
      yield* TestClock.adjust(5000)
      assert.deepStrictEqual(told, [])
      assert.deepStrictEqual(yield* store.settle(job, { _tag: "Completed" }), "Completed")
      yield* TestClock.adjust(1000)
      yield* Deferred.await(stopped)
      assert.deepStrictEqual(told, [undefined])
      assert.isUndefined(store.keepUnsafe(job, Effect.void, context, (exit) => told.push(exit)))
      assert.deepStrictEqual(told, [undefined, undefined])
    })
  )

  test(
    "progress is told to who follows, and then the end",
    Effect.gen(function*() {
      yield* queue.enqueue(1, { id: "a" })
      const following = yield* Effect.forkChild(Stream.runCollect(queue.follow("a")))
      yield* Effect.yieldNow
      yield* queue.process((_, { report }) =>
        Effect.as(Effect.forEach([10, 60], (n) => Effect.andThen(Effect.sleep(10), Effect.orDie(report(n)))), "end")
      )
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(yield* Fiber.join(following), [
        { _tag: "Progress", value: 10 },
        { _tag: "Progress", value: 60 },
        { _tag: "Completed", value: "end" }
      ])
    })
  )

  test(
    "jobs of a key go in order, also while the first waits for its next attempt",
    Effect.gen(function*() {
      const done: Array<number> = []
      yield* queue.process(
        (n, { attempt }) =>
          n === 1 && attempt === 1
            ? Effect.fail(new TooLarge({ size: n }))
            : Effect.sync(() => (done.push(n), "")),
        { concurrency: 5, retry: at(1000) }
      )
      yield* queue.enqueueAll([1, 2, 3], { key: "customer" })
      yield* queue.enqueue(4)
      yield* TestClock.adjust(999)
      assert.deepStrictEqual(done, [4])
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(done, [4, 1, 2, 3])
    })
  )

  test(
    "a job whose deadline is over is not begun, and one that runs is interrupted then",
    Effect.gen(function*() {
      let begun = 0
      yield* queue.pause
      yield* queue.enqueue(1, { deadline: 100 })
      yield* queue.process(() => Effect.andThen(Effect.sync(() => begun++), Effect.never), { concurrency: 2 })
      yield* TestClock.adjust(200)
      yield* queue.resume
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([begun, (yield* queue.stats).dead], [0, 1])
      yield* queue.enqueue(2, { deadline: 100 })
      yield* TestClock.adjust(99)
      assert.deepStrictEqual([begun, (yield* queue.stats).dead], [1, 1])
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* queue.stats).dead, 2)
    })
  )

  test(
    "the deadline of who waits for a job goes with it",
    Effect.gen(function*() {
      let left = 0
      yield* queue.process(() =>
        Effect.map(Deadline.remaining, (millis) => {
          left = millis
          return ""
        })
      )
      yield* Deadline.within("1 second", "caller")(queue.enqueueAndAwait(1))
      assert.isTrue(left > 0 && left <= 1000)
    })
  )

  test(
    "the trace of who enqueues goes on in the handler",
    Effect.gen(function*() {
      const seen = yield* Deferred.make<string>()
      yield* queue.process(() =>
        Effect.as(Effect.flatMap(Effect.orDie(Effect.currentSpan), (span) => Deferred.succeed(seen, span.traceId)), "")
      )
      const enqueue = Effect.andThen(queue.enqueue(1), Effect.map(Effect.currentSpan, ({ traceId }) => traceId))
      const traceId = yield* Effect.withSpan(enqueue, "request")
      assert.strictEqual(yield* Deferred.await(seen), traceId)
    })
  )

  test(
    "no more jobs begin than its rate allows",
    Effect.gen(function*() {
      let begun = 0
      yield* queue.process(() => Effect.sync(() => String(++begun)), {
        concurrency: 10,
        rate: { limit: 2, per: "1 second" }
      })
      yield* queue.enqueueAll([1, 2, 3, 4, 5])
      yield* TestClock.adjust(999)
      assert.strictEqual(begun, 2)
      yield* TestClock.adjust(2)
      assert.strictEqual(begun, 4)
      yield* TestClock.adjust(1001)
      assert.strictEqual(begun, 5)
    })
  )

  test(
    "AC-36.7: the end of the scope waits for what runs, then hands it back uncounted, and claims no more",
    Effect.gen(function*() {
      const done: Array<number> = []
      const scope = yield* Scope.make()
      yield* queue.process((n) => Effect.as(Effect.andThen(Effect.sleep(n), Effect.sync(() => done.push(n))), ""), {
        concurrency: 2,
        grace: 1000
      }).pipe(Scope.provide(scope))
      yield* queue.enqueueAll([500, 5000, 1])
      yield* TestClock.adjust(1)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(999)
      assert.deepStrictEqual([done, closing.pollUnsafe()], [[500], undefined])
      yield* TestClock.adjust(1)
      yield* Fiber.join(closing)
      assert.strictEqual((yield* queue.stats).waiting, 2)
      const store = yield* JobStore.JobStore
      const [first] = yield* store.claim("numbers", { waitFor: 0 })
      assert.strictEqual(first?.attempt, 1)
    })
  )

  test(
    "dead letters that are redriven are done",
    Effect.gen(function*() {
      let broken = true
      yield* queue.process(() => broken ? Effect.die(new Error("down")) : Effect.succeed(""), {
        retry: Schedule.recurs(0)
      })
      yield* queue.enqueueAll([1, 2])
      yield* TestClock.adjust(10)
      assert.strictEqual((yield* queue.deadLetters()).length, 2)
      broken = false
      assert.strictEqual(yield* queue.redrive(), 2)
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(yield* queue.stats, { waiting: 0, delayed: 0, claimed: 0, dead: 0, paused: false })
    })
  )

  test(
    "options that cannot mean anything are refused before anything starts",
    Effect.gen(function*() {
      const option = (options: WorkQueue.ProcessOptions<TooLarge>) =>
        Effect.map(Effect.flip(queue.process(() => Effect.succeed(""), options)), (error) => error.option)
      assert.strictEqual(yield* option({ concurrency: 0 }), "concurrency")
      assert.strictEqual(yield* option({ prefetch: -1 }), "prefetch")
      assert.strictEqual(yield* option({ prefetch: 1, rate: { limit: 1, per: 1 } }), "prefetch")
      assert.strictEqual(yield* option({ ttl: 1 }), "ttl")
      assert.strictEqual(yield* option({ grace: Infinity }), "grace")
      assert.strictEqual(yield* option({ rate: { limit: NaN, per: 1 } }), "rate")
      assert.strictEqual(yield* option({ rate: { limit: 1, per: 0 } }), "rate")
      const nameless = WorkQueue.make({ name: "", payload: Schema.Number })
      assert.strictEqual((yield* Effect.flip(nameless.process(() => Effect.void))).option, "name")
      assert.strictEqual((yield* Effect.flip(nameless.enqueue(1)))._tag, "InvalidJob")
    })
  )
})
