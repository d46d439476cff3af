import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Pipeline } from "heddle/flow"

/** Everything that can happen without time passing has happened when it is over: items pass many fibers. */
const settled = Effect.forEach(Array.from({ length: 60 }), () => Effect.yieldNow, { discard: true })

/** Time passes as fast as what happens in it. */
const pass = (millis: number) =>
  Effect.forEach(Array.from({ length: millis }), () => Effect.andThen(settled, TestClock.adjust(1)), { discard: true })

const double = (n: number) => Effect.succeed(n * 2)
const range = (from: number, to: number) => Stream.range(from, to).pipe(Stream.rechunk(1))

const assertSound = (stats: Pipeline.Stats) => {
  assert.strictEqual(stats.in, stats.out + stats.failed + stats.dropped + stats.inside)
  for (const one of stats.stages) {
    assert.strictEqual(one.in, one.out + one.failed + one.dropped + one.waiting + one.running, one.name)
  }
}

/** Runs it to its end in virtual time: what came out, how it ended, and the accounts. */
const outcome = <Out, E, E2>(pipeline: Pipeline.Pipeline<number, Out, E, never>, source: Stream.Stream<number, E2>) =>
  Effect.gen(function*() {
    const running = yield* Pipeline.start(pipeline, source)
    const seen: Array<Out> = []
    const fiber = yield* Effect.forkChild(Stream.runForEach(running.stream, (one) => Effect.sync(() => seen.push(one))))
    yield* TestClock.adjust("1 hour")
    const exit = yield* Fiber.await(fiber)
    const stats = yield* running.stats
    assertSound(stats)
    assert.strictEqual(stats.inside, 0)
    return { seen, exit, stats }
  }).pipe(Effect.scoped)

const failures = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) ? exit.cause.reasons.map((one) => one._tag === "Fail" ? one.error : one._tag) : []

describe("Pipeline", () => {
  it.effect("AC-05.1 a consumer that stops after k items stops all stages and the source", () =>
    Effect.gen(function*() {
      let open = 0
      const held = <A>(value: A) =>
        Effect.acquireUseRelease(
          Effect.sync(() => open++),
          () => Effect.as(Effect.sleep(10), value),
          () => Effect.sync(() => open--)
        )
      const source = Stream.forever(range(1, 9)).pipe(
        Stream.onStart(Effect.sync(() => open++)),
        Stream.ensuring(Effect.sync(() => open--))
      )
      const pipeline = Pipeline.make<number>().pipe(
        Pipeline.stage("one", held, { concurrency: 3 }),
        Pipeline.stage("two", held, { concurrency: 2, order: "none" })
      )
      const { stats, stream } = yield* Pipeline.start(pipeline, source)
      const consumer = yield* Effect.forkChild(Stream.runCollect(Stream.take(stream, 5)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(consumer)).length, 5)
      assert.strictEqual(open, 0)
      const end = yield* stats
      assertSound(end)
      assert.deepStrictEqual([end.out, end.failed, end.inside], [5, 0, 0])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* stats, end)
    }))

  it.effect("AC-05.2 a deadline loses no account: in = out + failed + dropped", () =>
    Effect.gen(function*() {
      const pipeline = Pipeline.make<number>().pipe(
        Pipeline.stage("sometimes", (n) => n % 5 === 0 ? Effect.fail(n) : Effect.succeed(n), { onError: "skip" }),
        Pipeline.stage("slow", (n) => Effect.as(Effect.sleep(10), n), { concurrency: 2, buffer: 4 })
      )
      const { stats, stream } = yield* Pipeline.start(pipeline, range(1, 100))
      const consumer = yield* Effect.forkChild(Effect.timeoutOption(Stream.runDrain(stream), "35 millis"))
      yield* pass(50)
      yield* Fiber.join(consumer)
      const end = yield* stats
      assertSound(end)
      assert.deepStrictEqual([end.out, end.inside], [6, 0])
      assert.isAbove(end.failed, 0)
      assert.isAbove(end.dropped, 0)
    }))

  const uneven = (n: number) => Effect.as(Effect.sleep(n % 3 === 0 ? 30 : n % 3), n)

  it.effect("AC-05.3 a stage of many workers keeps the order of the input", () =>
    Effect.gen(function*() {
      const pipeline = Pipeline.make<number>().pipe(
        Pipeline.stage("first", uneven, { concurrency: 5 }),
        Pipeline.stage("second", uneven, { concurrency: 3 })
      )
      const { seen, stats } = yield* outcome(pipeline, Stream.range(1, 200))
      assert.deepStrictEqual(seen, Array.from({ length: 200 }, (_, at) => at + 1))
      assert.deepStrictEqual([stats.in, stats.out], [200, 200])
    }))

  it.effect("a worker that waited for the turn of its item goes on when it has come", () =>
    Effect.gen(function*() {
      let active = 0
      let most = 0
      const work = (item: number) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            active++
            if (item > 1) most = Math.max(most, active)
          }),
          () => Effect.as(Effect.sleep(item === 1 ? 1 : 10), item),
          () => Effect.sync(() => active--)
        )
      const pipeline = Pipeline.make<number>().pipe(Pipeline.stage("two", work, { concurrency: 2 }))
      const { seen } = yield* outcome(pipeline, range(0, 5))
      assert.deepStrictEqual(seen, [0, 1, 2, 3, 4, 5])
      assert.strictEqual(most, 2)
    }))

  it.effect("AC-05.3 or lets them overtake each other", () =>
    Effect.gen(function*() {
      const pipeline = Pipeline.make<number>().pipe(Pipeline.stage("any", uneven, { concurrency: 5, order: "none" }))
      const { seen } = yield* outcome(pipeline, Stream.range(1, 200))
      assert.notDeepEqual(seen, seen.toSorted((a, b) => a - b))
      assert.deepStrictEqual(seen.toSorted((a, b) => a - b), Array.from({ length: 200 }, (_, at) => at + 1))
    }))

  it.effect("AC-05.4 a failed item passes the later stages by, and reaches the sink with its stage and error", () =>
    Effect.gen(function*() {
      const routed: Array<unknown> = []
      const later: Array<number> = []
      const pipeline = Pipeline.make<number>().pipe(
        Pipeline.stage("validate", (n) => n === 3 ? Effect.fail("three" as const) : Effect.succeed(n), {
          onError: {
            route: ({ cause, item, stage }) =>
              Effect.sync(() => routed.push([stage, item, failures(Exit.failCause(cause))]))
          }
        }),
        Pipeline.stage("later", (n) =>
          Effect.sync(() => {
            later.push(n)
            return n
          }))
      )
      const { exit, seen, stats } = yield* outcome(pipeline, Stream.range(1, 5))
      assert.deepStrictEqual([routed, later, seen], [[["validate", 3, ["three"]]], [1, 2, 4, 5], [1, 2, 4, 5]])
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual([stats.in, stats.out, stats.failed, stats.dropped], [5, 4, 1, 0])
    }))

  it.effect("AC-05.4 a stage that dies fails the output with the stage's name", () =>
    Effect.gen(function*() {
      const bug = new Error("bug")
      const pipeline = Pipeline.make<number>().pipe(
        Pipeline.stage("fine", double),
        Pipeline.stage("buggy", (): Effect.Effect<number> => {
          throw bug
        })
      )
      const { exit } = yield* outcome(pipeline, Stream.range(1, 5))
      const [died] = failures(exit)
      assert.isTrue(died instanceof Pipeline.StageDied && died.stage === "buggy" && died.cause === bug)
    }))

  it.effect("AC-05.4 a failure that stops keeps its type, and its cause tells the stage", () =>
    Effect.gen(function*() {
      const fails = (at: number) => (n: number) => n === at ? Effect.fail("bad") : Effect.succeed(n)
      for (const order of ["input", "none"] as const) {
        const pipeline = (first: number) =>
          Pipeline.make<number>().pipe(
            Pipeline.stage("first", fails(first), { order, concurrency: 2 }),
            Pipeline.stage("second", fails(4), { order, concurrency: 2 })
          )
        for (const [first, stage] of [[3, "first"], [9, "second"]] as const) {
          const { exit } = yield* outcome(pipeline(first), Stream.range(1, 8))
          assert.deepStrictEqual(failures(exit), ["bad"])
          assert.deepStrictEqual(Exit.isFailure(exit) && Pipeline.stageOf(exit.cause), Option.some(stage))
        }
      }
      const dies = Pipeline.make<number>().pipe(Pipeline.stage("buggy", () => Effect.die("bug")))
      const { exit: died } = yield* outcome(dies, Stream.range(1, 3))
      assert.deepStrictEqual(Exit.isFailure(died) && Pipeline.stageOf(died.cause), Option.some("buggy"))
      const fine = Pipeline.make<number>().pipe(Pipeline.stage("fine", double))
      const { exit: broken } = yield* outcome(fine, Stream.fail("source"))
      assert.deepStrictEqual(Exit.isFailure(broken) && Pipeline.stageOf(broken.cause), Option.none())
    }))

  it.effect("what is done waits for the consumer in the room of the last stage, which needs no turn for each", () =>
    Effect.gen(function*() {
      const pipeline = Pipeline.make<number>().pipe(Pipeline.stage("work", double, { buffer: 5 }))
      const { stats, stream } = yield* Pipeline.start(pipeline, range(1, 100))
      yield* settled
      const [stalled] = (yield* stats).stages
      assert.isTrue(stalled !== undefined && stalled.out >= 5 && stalled.in <= 5 + 1)
      assert.strictEqual((yield* Stream.runCollect(Stream.take(stream, 3))).length, 3)
    }).pipe(Effect.scoped))

  it.effect("AC-05.5 with a stalled consumer no more is taken from the source than buffers and workers hold", () =>
    Effect.gen(function*() {
      let taken = 0
      const source = Stream.forever(Stream.make(1)).pipe(
        Stream.rechunk(1),
        Stream.tap(() => Effect.sync(() => taken++))
      )
      for (const order of ["input", "none", { key: (n: number) => n }] as const) {
        taken = 0
        const pipeline = Pipeline.make<number>().pipe(
          Pipeline.stage("one", double, { concurrency: 3, buffer: 4, order }),
          Pipeline.stage("two", double, { concurrency: 2, buffer: 5, order })
        )
        const { stats } = yield* Pipeline.start(pipeline, source)
        yield* settled
        assert.isAtMost(taken, 4 + 3 + 5 + 2)
        assert.isAtLeast(taken, 4 + 5)
        const now = yield* stats
        assertSound(now)
        assert.deepStrictEqual([now.in, now.out, now.inside], [taken, 0, taken])
      }
    }).pipe(Effect.scoped))

  it.effect("AC-21.1 50 items of 100 ms by 10 workers take 500 ms", () =>
    Effect.gen(function*() {
      const pipeline = Pipeline.make<number>().pipe(
        Pipeline.stage("work", (n) => Effect.as(Effect.sleep("100 millis"), n), { concurrency: 10 })
      )
      const run = yield* Effect.forkChild(Stream.runCollect(Pipeline.stream(pipeline, Stream.range(1, 50))))
      yield* pass(499)
      assert.isUndefined(run.pollUnsafe())
      yield* pass(2)
      assert.strictEqual((yield* Fiber.join(run)).length, 50)
    }))

  it.effect("AC-23.1 of 14 items 12 are done, and 7 and 14 are told as failed", () =>
    Effect.gen(function*() {
      const told: Array<number> = []
      const pipeline = Pipeline.make<number>().pipe(
        Pipeline.stage("work", (n) => n % 7 === 0 ? Effect.fail(`job ${n} failed`) : Effect.succeed(n), {
          concurrency: 3,
          onError: { route: ({ item }) => Effect.sync(() => told.push(item)) }
        })
      )
      const { seen, stats } = yield* outcome(pipeline, Stream.range(1, 14))
      assert.deepStrictEqual([seen.length, told, stats.failed], [12, [7, 14], 2])
    }))

  it.effect("keeps the order of each key, with keys side by side, and a slow key holds back only itself", () =>
    Effect.gen(function*() {
      const active = new Map<number, number>()
      const work = (n: number) =>
        Effect.gen(function*() {
          const key = n % 4
          active.set(key, (active.get(key) ?? 0) + 1)
          assert.strictEqual(active.get(key), 1)
          yield* Effect.sleep(key === 0 ? 100 : 1)
          active.set(key, 0)
          return n
        })
      const pipeline = Pipeline.make<number>().pipe(
        Pipeline.stage("keyed", work, { concurrency: 3, buffer: 40, order: { key: (n) => n % 4 } })
      )
      const { seen, stats } = yield* outcome(pipeline, Stream.range(0, 39))
      for (const key of [0, 1, 2, 3]) {
        const mine = seen.filter((n) => n % 4 === key)
        assert.deepStrictEqual(mine, Array.from({ length: 10 }, (_, at) => at * 4 + key))
      }
      assert.isAbove(seen.indexOf(4), seen.indexOf(39))
      assert.strictEqual(stats.out, 40)
    }))

  it.effect("an item whose key cannot be told fails, and no other", () =>
    Effect.gen(function*() {
      const key = (n: number) => {
        if (n === 2) throw new Error("no key")
        return n
      }
      const pipeline = Pipeline.make<number>().pipe(
        Pipeline.stage("before", double),
        Pipeline.stage("keyed", double, { order: { key: (n) => key(n / 2) }, concurrency: 2, onError: "skip" })
      )
      const { seen, stats } = yield* outcome(pipeline, Stream.range(1, 3))
      assert.deepStrictEqual([seen, stats.failed], [[4, 12], 1])
    }))

  it.effect("a failure that stops waits for those before it, and what is past the stage goes on", () =>
    Effect.gen(function*() {
      const work = (n: number) => n === 4 ? Effect.fail("four") : Effect.as(Effect.sleep(20), n)
      const pipeline = Pipeline.make<number>().pipe(
        Pipeline.stage("work", work, { concurrency: 5 }),
        Pipeline.stage("after", (n) => Effect.as(Effect.sleep(100), n))
      )
      const { exit, seen, stats } = yield* outcome(pipeline, range(1, 50))
      assert.deepStrictEqual([seen, failures(exit)], [[1, 2, 3], ["four"]])
      assert.deepStrictEqual([stats.out, stats.failed], [3, 1])
    }))

  it.effect("a source that fails does so after what it gave is through", () =>
    Effect.gen(function*() {
      const pipeline = Pipeline.make<number>().pipe(Pipeline.stage("slow", uneven, { concurrency: 2 }))
      const { exit, seen } = yield* outcome(pipeline, Stream.concat(Stream.range(1, 5), Stream.fail("source")))
      assert.deepStrictEqual([seen, failures(exit)], [[1, 2, 3, 4, 5], ["source"]])
    }))

  it.effect("tries again as the schedule says, and each attempt has its time", () =>
    Effect.gen(function*() {
      const attempts: Array<number> = []
      const work = (n: number) =>
        Effect.suspend(() => {
          attempts.push(n)
          if (n === 1) return Effect.fail("one")
          return n === 2 ? Effect.never : Effect.succeed(n)
        })
      const causes: Array<unknown> = []
      const pipeline = Pipeline.make<number>().pipe(
        Pipeline.stage("work", work, {
          retry: Schedule.recurs(2),
          timeout: "10 millis",
          onError: { route: ({ cause }) => Effect.sync(() => causes.push(...failures(Exit.failCause(cause)))) }
        })
      )
      const { seen, stats } = yield* outcome(pipeline, Stream.range(1, 3))
      assert.deepStrictEqual([attempts, seen], [[1, 1, 1, 2, 2, 2, 3], [3]])
      assert.strictEqual(causes[0], "one")
      assert.isTrue(causes[1] instanceof Pipeline.StageTimeout && causes[1].stage === "work")
      assert.strictEqual(stats.stages[0]?.maxMillis, 30)
    }))

  it.effect("a sink that dies stops the pipeline", () =>
    Effect.gen(function*() {
      const pipeline = Pipeline.make<number>().pipe(
        Pipeline.stage("work", (n) => Effect.fail(n), { onError: { route: () => Effect.die("sink") } })
      )
      const { exit } = yield* outcome(pipeline, Stream.range(1, 3))
      const [died] = failures(exit)
      assert.isTrue(died instanceof Pipeline.StageDied && died.stage === "work" && died.cause === "sink")
    }))

  it.effect("the output ends only when the sink was told of the last", () =>
    Effect.gen(function*() {
      let told = 0
      const route = () => Effect.andThen(Effect.sleep("1 second"), Effect.sync(() => told++))
      const pipeline = Pipeline.make<number>().pipe(
        Pipeline.stage("work", (n) => Effect.fail(n), { concurrency: 4, onError: { route } })
      )
      const { stats } = yield* outcome(pipeline, Stream.range(1, 4))
      assert.deepStrictEqual([told, stats.failed], [4, 4])
    }))

  it.effect("who still consumes when the scope is closed is interrupted, and is not told that all is done", () =>
    Effect.gen(function*() {
      const pipeline = Pipeline.make<number>().pipe(Pipeline.stage("work", double))
      const { stats, stream } = yield* Effect.scoped(
        Effect.tap(Pipeline.start(pipeline, range(1, 50)), () => settled)
      )
      const exit = yield* Effect.exit(Stream.runDrain(stream))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      const end = yield* stats
      assertSound(end)
      assert.deepStrictEqual([end.out, end.inside, end.dropped], [0, 0, end.in])
    }))

  it.effect("refuses what means nothing, and names it", () =>
    Effect.gen(function*() {
      const refused = <Out, E>(pipeline: Pipeline.Pipeline<number, Out, E, never>) =>
        Effect.map(Effect.flip(Stream.runDrain(Pipeline.stream(pipeline, Stream.make(1)))), (error) =>
          error instanceof Error && "option" in error ? error.option : error)
      const one = Pipeline.make<number>()
      assert.strictEqual(yield* refused(one), "stages")
      for (const count of [0, -1, 1.5, NaN, Infinity]) {
        const pipeline = one.pipe(Pipeline.stage("a", double, { concurrency: count }))
        assert.strictEqual(yield* refused(pipeline), "a.concurrency")
      }
      for (const buffer of [0, -1, 1.5, NaN]) {
        assert.strictEqual(yield* refused(one.pipe(Pipeline.stage("a", double, { buffer }))), "a.buffer")
      }
      for (const timeout of [-1, NaN]) {
        assert.strictEqual(yield* refused(one.pipe(Pipeline.stage("a", double, { timeout }))), "a.timeout")
      }
      assert.strictEqual(yield* refused(one.pipe(Pipeline.stage("", double))), "name")
      assert.strictEqual(yield* refused(one.pipe(Pipeline.stage("a", double), Pipeline.stage("a", double))), "name")
    }))

  it("is drawn as a flowchart", () => {
    const pipeline = Pipeline.make<number>("orders").pipe(
      Pipeline.stage("check \"it\"", double, { onError: "skip" }),
      Pipeline.stage("charge", double, {
        concurrency: 4,
        order: { key: (n) => n },
        retry: Schedule.recurs(3),
        timeout: "2 seconds",
        onError: { route: () => Effect.void }
      }),
      Pipeline.stage("send", double, { concurrency: 2, order: "none", buffer: 100 })
    )
    assert.strictEqual(
      Pipeline.describe(pipeline),
      `flowchart LR
  source([source])
  s0["check #34;it#34;<br/>one at a time<br/>room for 16"]
  s1["charge<br/>4 at a time, in order of each key<br/>room for 16<br/>2s an attempt<br/>retries"]
  s2["send<br/>2 at a time, in any order<br/>room for 100"]
  source --> s0 --> s1 --> s2 --> output([output])
  s0 -. skips .-> f0((dropped))
  s1 -. fails .-> f1[(dead letters)]`
    )
  })

  it.effect("counts what waits, runs, is done, failed and dropped in each stage, and how long it took", () =>
    Effect.gen(function*() {
      const shot = Effect.map(
        Metric.snapshot,
        (all) => Object.fromEntries(all.map(({ attributes, id, state }) => [`${id} ${attributes?.["stage"]}`, state]))
      )
      const pipeline = Pipeline.make<number>("orders").pipe(
        Pipeline.stage("check", (n) => n === 2 ? Effect.fail(n) : Effect.succeed(n), { onError: "skip" }),
        Pipeline.stage("work", (n) => Effect.as(Effect.sleep(100), n), { concurrency: 2, buffer: 3 })
      )
      const { stream } = yield* Pipeline.start(pipeline, range(1, 100))
      const consumer = yield* Effect.forkChild(Stream.runDrain(stream))
      yield* pass(150)
      const during = yield* shot
      assert.deepEqual(during["heddle_pipeline_failed_total check"], { count: 1, incremental: true })
      assert.deepEqual(during["heddle_pipeline_active work"], { value: 2 })
      assert.deepEqual(during["heddle_pipeline_completed_total work"], { count: 2, incremental: true })
      assert.deepInclude(during["heddle_pipeline_latency_seconds work"], { count: 2, min: 0.1, max: 0.1 })
      const depth = during["heddle_pipeline_depth work"]
      assert.isTrue(depth !== undefined && "value" in depth && Number(depth.value) >= 3)
      yield* Fiber.interrupt(consumer)
      const after = yield* shot
      for (const gauge of ["depth check", "depth work", "active check", "active work"]) {
        assert.deepEqual(after[`heddle_pipeline_${gauge}`], { value: 0 })
      }
      const dropped = after["heddle_pipeline_dropped_total work"]
      assert.isTrue(dropped !== undefined && "count" in dropped && Number(dropped.count) >= 5)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
})
