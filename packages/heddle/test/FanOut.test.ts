import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { FanOut } from "heddle/flow"

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)
const slowly = (millis: number) => Effect.as(Effect.sleep(millis), millis)
const tags = <B, E>(exits: ReadonlyArray<Exit.Exit<B, E>>) => exits.map(({ _tag }) => _tag)

/** Tasks that count how many of them run, and how many were ever begun. */
const crowd = <B>(each: Effect.Effect<B>) => {
  const seen = { running: 0, most: 0, begun: 0 }
  const task = Effect.acquireUseRelease(
    Effect.sync(() => {
      seen.begun++
      seen.most = Math.max(seen.most, ++seen.running)
    }),
    () => each,
    () => Effect.sync(() => seen.running--)
  )
  return { seen, task: () => task }
}

/** Moves the clock until the effect is done. */
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>, millis = 1_000_000) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    yield* TestClock.adjust(millis)
    return yield* Fiber.join(fiber)
  })

describe("gather", () => {
  it.effect("AC-01.1 gives one outcome for each of 1000 items, in their order, as an array and as a stream", () =>
    Effect.gen(function*() {
      const items = upTo(1000)
      const task = (item: number) => Effect.as(Effect.sleep((item * 7) % 13), item * 2)
      const sources = [items, Stream.fromIterable(items), Stream.rechunk(Stream.fromIterable(items), 3)]
      for (const source of sources) {
        const exits = yield* inTime(FanOut.gather(source, task, { workers: 5 }))
        assert.deepEqual(exits, items.map((item) => Exit.succeed(item * 2)))
      }
    }))

  it.effect("AC-01.3 works on no more items at a time than there are workers, and on as many as that", () =>
    Effect.gen(function*() {
      for (const workers of [1, 5, 100]) {
        for (const source of [upTo(300), Stream.rechunk(Stream.fromIterable(upTo(300)), 7)]) {
          const { seen, task } = crowd(Effect.sleep(10))
          yield* inTime(FanOut.gather(source, task, { workers }))
          assert.strictEqual(seen.most, workers)
        }
      }
    }))

  it.effect("works on all at once where there are as many workers as items", () =>
    Effect.gen(function*() {
      for (
        const source of [upTo(300), Stream.fromIterable(upTo(300)), Stream.rechunk(Stream.fromIterable(upTo(300)), 1)]
      ) {
        const { seen, task } = crowd(Effect.sleep(10))
        yield* inTime(FanOut.gather(source, task, { workers: Infinity }))
        assert.strictEqual(seen.most, 300)
      }
    }))

  it.effect("AC-01.5 keeps a failure, a defect, a throw and an interruption as the outcome of that task alone", () =>
    Effect.gen(function*() {
      const thrown = new Error("thrown")
      const ends: ReadonlyArray<() => Effect.Effect<string, string>> = [
        () => Effect.succeed("fine"),
        () => Effect.fail("no"),
        () => Effect.die("dead"),
        () => {
          throw thrown
        },
        () => Effect.interrupt,
        () => Effect.succeed("fine too")
      ]
      for (const workers of [1, 3]) {
        const exits = yield* FanOut.gather(ends, (end) => end(), { workers })
        assert.deepEqual(exits[0], Exit.succeed("fine"))
        assert.deepEqual(exits[1], Exit.fail("no"))
        assert.deepEqual(exits[2], Exit.die("dead"))
        assert.deepEqual(exits[3], Exit.die(thrown))
        assert.isTrue(exits[4] !== undefined && Exit.hasInterrupts(exits[4]))
        assert.deepEqual(exits[5], Exit.succeed("fine too"))
      }
    }))

  it.effect("AC-01.6 of the demo's 20 tasks 17 succeed and 3 fail: 0, 7 and 14", () =>
    Effect.gen(function*() {
      const task = (id: number) => id % 7 === 0 ? Effect.fail(`processing error on task ${id}`) : slowly(100)
      const exits = yield* inTime(FanOut.gather(upTo(20), task, { workers: 5 }))
      const failed = exits.flatMap((exit, id) => Exit.isFailure(exit) ? [id] : [])
      assert.deepEqual(failed, [0, 7, 14])
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 17)
    }))

  it.effect("of nothing is nothing", () =>
    Effect.gen(function*() {
      assert.deepEqual(yield* FanOut.gather([], slowly, { workers: 3 }), [])
      assert.deepEqual(yield* FanOut.gather(Stream.empty, slowly, { workers: Infinity }), [])
    }))

  it.effect("finishes what it has begun when a source fails, and fails with it", () =>
    Effect.gen(function*() {
      const done: Array<number> = []
      const task = (item: number) => Effect.tap(slowly(100), () => Effect.sync(() => done.push(item)))
      const source = Stream.concat(Stream.make(1, 2), Stream.fail("broken"))
      assert.strictEqual(yield* inTime(Effect.flip(FanOut.gather(source, task, { workers: 5 }))), "broken")
      assert.deepEqual(done, [1, 2])
    }))

  it.effect("asks a stream for more only when a worker has nothing to do", () =>
    Effect.gen(function*() {
      let pulled = 0
      const source = Stream.rechunk(Stream.fromIterable(upTo(50)), 1).pipe(
        Stream.tap(() => Effect.sync(() => pulled++))
      )
      const run = FanOut.gather(source, () => Effect.never, { workers: 4 })
      yield* Effect.forkChild(run)
      yield* TestClock.adjust(1)
      assert.isAtMost(pulled, 4)
    }))

  it.effect("runs a task for many thousand items that do not suspend, however they end", () =>
    Effect.gen(function*() {
      const task = (item: number) => item % 2 === 0 ? Effect.succeed(item) : Effect.fail(item)
      const exits = yield* FanOut.gather(upTo(50_000), task, { workers: 3 })
      assert.strictEqual(exits.filter(Exit.isFailure).length, 25_000)
    }))

  it.effect("refuses workers that are no number of workers, and begins nothing", () =>
    Effect.gen(function*() {
      for (const workers of [0, -1, 1.5, NaN, -Infinity]) {
        const { seen, task } = crowd(Effect.void)
        const wrong = yield* Effect.flip(FanOut.gather([1], task, { workers }))
        assert.deepInclude(wrong, { _tag: "InvalidOption", option: "workers" })
        assert.strictEqual((yield* Effect.flip(FanOut.forEach([1], task, { workers }))).option, "workers")
        assert.strictEqual((yield* Effect.flip(Effect.scoped(FanOut.start([1], task, { workers })))).option, "workers")
        assert.strictEqual(
          (yield* Effect.flip(Stream.runDrain(FanOut.stream([1], task, { workers })))).option,
          "workers"
        )
        assert.strictEqual(seen.begun, 0)
      }
    }))

  it.effect("keeps going when a task interrupts the fiber that it runs on", () =>
    Effect.gen(function*() {
      const task = (item: number) =>
        item === 2
          ? Effect.withFiber((fiber) => Effect.andThen(Effect.sync(() => fiber.interruptUnsafe()), Effect.never))
          : Effect.succeed(item)
      for (const source of [upTo(6), Stream.rechunk(Stream.fromIterable(upTo(6)), 1)]) {
        const exits = yield* FanOut.gather(source, task, { workers: 1 })
        assert.deepEqual(tags(exits), ["Success", "Success", "Failure", "Success", "Success", "Success"])
      }
    }))

  it.effect("ends with the interruption of the fiber that asks a stream for more", () =>
    Effect.gen(function*() {
      const stop = Effect.withFiber((fiber) => Effect.andThen(Effect.sync(() => fiber.interruptUnsafe()), Effect.never))
      const source = Stream.concat(Stream.make(1), Stream.fromEffect(stop))
      for (const run of [FanOut.gather, FanOut.forEach]) {
        const exit = yield* Effect.exit(run(source, Effect.succeed, { workers: 1 }))
        assert.isTrue(Exit.hasInterrupts(exit))
      }
    }))
})

describe("interruption", () => {
  it.effect("AC-01.2 is an interruption to the caller, leaves no worker, and what was finished can be had", () =>
    Effect.gen(function*() {
      const { seen, task } = crowd(Effect.sleep(100))
      const scope = yield* Scope.make()
      const run = yield* Scope.provide(FanOut.start(upTo(1000), task, { workers: 5 }), scope)
      const waiter = yield* Effect.forkChild(Effect.asVoid(run.await))
      const gathering = crowd(Effect.sleep(100))
      const gatherer = yield* Effect.forkChild(Effect.asVoid(FanOut.gather(upTo(1000), gathering.task, { workers: 5 })))
      yield* TestClock.adjust(450)
      yield* Fiber.interrupt(gatherer)
      yield* Scope.close(scope, Exit.void)
      for (const fiber of [waiter, gatherer]) {
        const exit: Exit.Exit<void, unknown> = yield* Fiber.await(fiber)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      }
      assert.strictEqual(seen.running, 0)
      assert.strictEqual(gathering.seen.running, 0)
      const { complete, outcomes } = yield* run.soFar
      assert.isFalse(complete)
      assert.deepEqual(outcomes.map(({ index }) => index), upTo(20))
      yield* TestClock.adjust(10_000)
      assert.strictEqual(seen.begun, 25)
    }))

  it.effect("waits for finalizers and shows their defects", () =>
    Effect.gen(function*() {
      let cleaned = 0
      const task = () =>
        Effect.onInterrupt(Effect.never, () =>
          Effect.andThen(Effect.sleep(50), () => ++cleaned === 2 ? Effect.die("unclean") : Effect.void))
      const fiber = yield* Effect.forkChild(FanOut.gather([1, 2, 3], task, { workers: 3 }))
      yield* TestClock.adjust(10)
      yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust(49)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual(cleaned, 3)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause) && Cause.hasInterrupts(exit.cause))
    }))
})

describe("forEach", () => {
  it.effect("gives the results in the order of the items", () =>
    Effect.gen(function*() {
      assert.deepEqual(yield* inTime(FanOut.forEach([30, 10, 20], slowly, { workers: 2 })), [30, 10, 20])
      const source = Stream.make(30, 10, 20)
      assert.deepEqual(yield* inTime(FanOut.forEach(source, slowly, { workers: 2 })), [30, 10, 20])
    }))

  it.effect("AC-01.5 stops at the first failure: the rest is interrupted, or not begun", () =>
    Effect.gen(function*() {
      const { seen, task } = crowd(Effect.sleep(100))
      const failing = (item: number) => item === 3 ? Effect.fail("no") : task()
      assert.strictEqual(yield* inTime(Effect.flip(FanOut.forEach(upTo(100), failing, { workers: 5 }))), "no")
      assert.strictEqual(seen.running, 0)
      assert.strictEqual(seen.begun, 3)
      const sync = crowd(Effect.void)
      const failsFirst = (item: number) => item === 0 ? Effect.fail("no") : sync.task()
      assert.strictEqual(yield* Effect.flip(FanOut.forEach(upTo(100), failsFirst, { workers: 5 })), "no")
      assert.strictEqual(sync.seen.begun, 0)
    }))

  it.effect("adds the defects of those that were interrupted, or died at the same time", () =>
    Effect.gen(function*() {
      const task = (item: number) =>
        item === 0
          ? Effect.andThen(Effect.sleep(10), Effect.fail("no"))
          : item === 1
          ? Effect.onInterrupt(Effect.never, () => Effect.die("unclean"))
          : Effect.uninterruptible(Effect.andThen(Effect.sleep(20), Effect.die("late")))
      const exit = yield* inTime(Effect.exit(FanOut.forEach(upTo(3), task, { workers: 3 })))
      const defects = Exit.isFailure(exit) ? exit.cause.reasons.flatMap((r) => r._tag === "Die" ? [r.defect] : []) : []
      assert.includeMembers(defects, ["unclean", "late"])
    }))

  it.effect("fails at once when a source fails", () =>
    Effect.gen(function*() {
      const { seen, task } = crowd(Effect.never)
      const source = Stream.concat(Stream.make(1, 2), Stream.fail("broken"))
      const begin = FanOut.forEach(source, () => Effect.andThen(Effect.yieldNow, Effect.void), { workers: 5 })
      assert.strictEqual(yield* Effect.flip(begin), "broken")
      const dies = FanOut.forEach(upTo(10), (item) => item === 4 ? Effect.die("dead") : task(), { workers: 5 })
      const exit = yield* Effect.exit(dies)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.strictEqual(seen.running, 0)
    }))
})

describe("stream", () => {
  it.effect("AC-01.1 gives outcomes in the order of the items, or as they are done", () =>
    Effect.gen(function*() {
      const items = [30, 10, 20]
      const run = (order: "input" | "completed" | undefined) =>
        inTime(Stream.runCollect(FanOut.stream(items, slowly, { workers: 3, order })))
      const inOrder = items.map((item, index) => ({ index, item, exit: Exit.succeed(item) }))
      assert.deepEqual(yield* run("input"), inOrder)
      assert.deepEqual(yield* run(undefined), inOrder)
      assert.deepEqual((yield* run("completed")).map(({ item }) => item), [10, 20, 30])
    }))

  for (const order of ["input", "completed"] as const) {
    it.effect(`AC-01.4 is held back by a slow consumer, ${order}`, () =>
      Effect.gen(function*() {
        const workers = 3
        for (const buffer of [0, 1, 4]) {
          const { seen, task } = crowd(Effect.sleep(1))
          const gate = yield* Queue.unbounded<void>()
          let taken = 0
          const consume = FanOut.stream(upTo(100), task, { workers, buffer, order }).pipe(
            Stream.runForEach(() => Effect.tap(Queue.take(gate), () => Effect.sync(() => taken++)))
          )
          const consumer = yield* Effect.forkChild(consume)
          for (let round = 0; round < 20; round++) {
            yield* TestClock.adjust(100)
            // One is in the consumer's hand.
            assert.isAtMost(seen.begun, taken + 1 + workers + buffer)
            assert.isAtLeast(seen.begun, taken + workers)
            yield* Queue.offer(gate, undefined)
          }
          yield* Fiber.interrupt(consumer)
          assert.strictEqual(seen.running, 0)
        }
      }))
  }

  it.effect("ends its workers when the consumer takes no more", () =>
    Effect.gen(function*() {
      const { seen, task } = crowd(Effect.sleep(1))
      const some = FanOut.stream(upTo(1000), task, { workers: 5 }).pipe(Stream.take(3), Stream.runCollect)
      assert.strictEqual((yield* inTime(some)).length, 3)
      assert.strictEqual(seen.running, 0)
      assert.isBelow(seen.begun, 100)
    }))

  it.effect("can be stopped at the first failure by its reader", () =>
    Effect.gen(function*() {
      const { seen, task } = crowd(Effect.sleep(100))
      const failing = (item: number) => item === 3 ? Effect.fail("no") : task()
      const first = FanOut.stream(upTo(1000), failing, { workers: 5, order: "completed" }).pipe(
        Stream.mapEffect(({ exit }) => exit),
        Stream.runDrain
      )
      assert.strictEqual(yield* inTime(Effect.flip(first)), "no")
      assert.strictEqual(seen.running, 0)
    }))

  it.effect("delivers what was begun when its source fails, and fails then", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const source = Stream.concat(Stream.make(20, 10), Stream.fail("broken"))
      const run = FanOut.stream(source, slowly, { workers: 5 }).pipe(
        Stream.runForEach(({ item }) => Effect.sync(() => seen.push(item)))
      )
      assert.strictEqual(yield* inTime(Effect.flip(run)), "broken")
      assert.deepEqual(seen, [20, 10])
    }))

  it.effect("takes all of an endless source that is asked for", () =>
    Effect.gen(function*() {
      const source = Stream.iterate(0, (n) => n + 1)
      const some = FanOut.stream(source, Effect.succeed, { workers: 5 }).pipe(Stream.take(1000), Stream.runCollect)
      assert.deepEqual((yield* some).map(({ item }) => item), upTo(1000))
    }))

  it.effect("refuses a buffer that is no size", () =>
    Effect.gen(function*() {
      for (const buffer of [-1, 0.5, NaN]) {
        const run = Stream.runDrain(FanOut.stream([1], slowly, { workers: 1, buffer }))
        assert.strictEqual((yield* Effect.flip(run)).option, "buffer")
      }
    }))
})

describe("start", () => {
  it.effect("gives what is there at a deadline, and goes on", () =>
    Effect.gen(function*() {
      const run = yield* FanOut.start([10, 300, 20], slowly, { workers: 3 })
      const partial = yield* inTime(run.within(100), 100)
      assert.isFalse(partial.complete)
      assert.deepEqual(partial.outcomes.map(({ index, item }) => [index, item]), [[0, 10], [2, 20]])
      const all = yield* inTime(run.within(1000), 300)
      assert.isTrue(all.complete)
      assert.strictEqual(all.outcomes.length, 3)
      assert.deepEqual(yield* run.await, all.outcomes)
    }))

  it.effect("tells how far it is, at once, now and then, and at the end", () =>
    Effect.gen(function*() {
      const task = (item: number) => item % 4 === 0 ? Effect.andThen(slowly(1000), Effect.fail("no")) : slowly(1000)
      const run = yield* FanOut.start(upTo(8), task, { workers: 2 })
      const seen = yield* inTime(Stream.runCollect(run.progress("1600 millis")))
      assert.deepEqual(seen, [
        { done: 0, failed: 0, running: 2, total: 8, perSecond: 0 },
        { done: 2, failed: 1, running: 2, total: 8, perSecond: 2 / 1.6 },
        { done: 6, failed: 2, running: 2, total: 8, perSecond: 6 / 3.2 },
        { done: 8, failed: 2, running: 0, total: 8, perSecond: 2 }
      ])
      assert.deepEqual((yield* Stream.runCollect(run.progress())).map(({ done }) => done), [8])
    }))

  it.effect("ends its progress when its scope is closed", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const run = yield* Scope.provide(FanOut.start(Stream.never, slowly, { workers: 2 }), scope)
      const looker = yield* Effect.forkChild(Stream.runCollect(run.progress(Infinity)))
      yield* TestClock.adjust(1)
      yield* Scope.close(scope, Exit.void)
      assert.deepEqual((yield* Fiber.join(looker)).map(({ total }) => total), [undefined, undefined])
    }))

  it.effect("refuses times that mean nothing", () =>
    Effect.gen(function*() {
      const run = yield* FanOut.start([1], slowly, { workers: 1 })
      for (const time of [NaN, -1]) {
        assert.strictEqual((yield* Effect.flip(run.within(time))).option, "within")
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(run.progress(time)))).option, "every")
      }
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(run.progress(0)))).option, "every")
    }))

  it.effect("fails its waiters with the source, and keeps what was done", () =>
    Effect.gen(function*() {
      const source = Stream.concat(Stream.make(1), Stream.fail("broken"))
      const run = yield* FanOut.start(source, Effect.succeed, { workers: 1 })
      assert.strictEqual(yield* Effect.flip(run.await), "broken")
      assert.strictEqual(yield* Effect.flip(run.within(10)), "broken")
      const { complete, outcomes } = yield* run.soFar
      assert.isFalse(complete)
      assert.strictEqual(outcomes.length, 1)
    }))
})

describe("metrics", () => {
  const figures = Effect.map(
    Metric.snapshot,
    (all) =>
      Object.fromEntries(
        all.filter(({ id }) => id.startsWith("heddle_fan_out_")).map(({ id, state }) => [
          id.slice("heddle_fan_out_".length),
          "count" in state ? state.count : "value" in state ? state.value : undefined
        ])
      )
  )

  it.effect("tell what waits, runs and is done, and are even after an interruption", () =>
    Effect.gen(function*() {
      const latch = yield* Latch.make(false)
      const task = (item: number) => item === 1 ? Effect.fail("no") : item === 0 ? Effect.void : latch.await
      const fiber = yield* Effect.forkChild(FanOut.gather(upTo(10), task, { workers: 3, name: "test" }))
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* figures, {
        depth: 5,
        active: 3,
        completed_total: 1,
        failed_total: 1,
        latency_seconds: 2
      })
      yield* Fiber.interrupt(fiber)
      assert.deepInclude(yield* figures, { depth: 0, active: 0, completed_total: 1, failed_total: 1 })
      yield* latch.open
      yield* FanOut.gather(Stream.fromIterable(upTo(10)), task, { workers: 3, name: "test" })
      assert.deepInclude(yield* figures, { depth: 0, active: 0, completed_total: 10, failed_total: 2 })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
})
