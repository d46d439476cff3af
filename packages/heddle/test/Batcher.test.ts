import { assert, describe, it } from "@effect/vitest"
import type * as Array from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Batcher } from "heddle/flow"

type Items = Array.NonEmptyReadonlyArray<number>

const all = { concurrency: "unbounded" } as const

/** Notes when which batch started, and answers each item with itself. */
const noting = () => {
  const batches: globalThis.Array<readonly [at: number, items: ReadonlyArray<number>]> = []
  const run = (items: Items) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      batches.push([now, items])
      return items.map((item) => Exit.succeed(item))
    })
  return { batches, run, items: () => batches.map(([, items]) => items) }
}

/** Starts batches, and ends each when it is told to. */
const gated = () => {
  const started: globalThis.Array<ReadonlyArray<number>> = []
  const gates: globalThis.Array<Deferred.Deferred<void>> = []
  const run = (items: Items) =>
    Effect.suspend(() => {
      started.push(items)
      const gate = Deferred.makeUnsafe<void>()
      gates.push(gate)
      return Effect.as(Deferred.await(gate), items.map((item) => Exit.succeed(item)))
    })
  const open = Effect.suspend(() => {
    const gate = gates.shift()
    return gate === undefined ? Effect.die("no batch runs") : Deferred.succeed(gate, undefined)
  })
  return { started, run, open }
}

/** Lets everybody go on who can. */
const settle = TestClock.adjust(1)

/** A clock that differs from another in something. */
const clockOf = (clock: Clock.Clock, own: Partial<Clock.Clock>): Clock.Clock => ({
  currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
  currentTimeMillis: clock.currentTimeMillis,
  currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
  currentTimeNanos: clock.currentTimeNanos,
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: (duration) => clock.sleep(duration),
  ...own
})

/** Lets others go on until something is so. */
const until = (is: Effect.Effect<boolean>) => Effect.repeat(Effect.andThen(Effect.yieldNow, is), { until: (so) => so })

describe("Batcher", () => {
  it.effect("AC-22.1 no item waits longer than maxWait, for ever, and an empty batch never goes", () =>
    Effect.gen(function*() {
      const { batches, run } = noting()
      const batcher = yield* Batcher.make({ run, maxSize: 4, maxWait: "2 seconds" })
      for (let at = 0; at < 20; at++) {
        yield* batcher.enqueue(at)
        yield* TestClock.adjust("3 seconds")
      }
      assert.deepStrictEqual(batches, globalThis.Array.from({ length: 20 }, (_, at) => [at * 3000 + 2000, [at]]))
    }))

  it.effect("AC-22.1 the time runs from each item's own arrival, also after a full batch has gone", () =>
    Effect.gen(function*() {
      const { batches, run } = noting()
      const batcher = yield* Batcher.make({ run, maxSize: 2, maxWait: 100 })
      yield* batcher.enqueue(1)
      yield* TestClock.adjust(60)
      yield* Effect.forEach([2, 3], batcher.enqueue)
      yield* TestClock.adjust(99)
      assert.deepStrictEqual(batches, [[60, [1, 2]]])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(batches, [[60, [1, 2]], [160, [3]]])
    }))

  it.effect("AC-22.2 a batch never exceeds its size, and a full one goes at once", () =>
    Effect.gen(function*() {
      const { batches, run } = noting()
      const batcher = yield* Batcher.make({ run, maxSize: 3, maxWait: Infinity })
      const outcomes = yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7], batcher.enqueue)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(batches, [[0, [1, 2, 3]], [0, [4, 5, 6]]])
      yield* batcher.flush
      assert.deepStrictEqual(yield* Effect.all(outcomes), [1, 2, 3, 4, 5, 6, 7])
      assert.deepStrictEqual(batches[2], [0, [7]])
    }))

  it.effect("what comes in one turn goes together, where maxWait is not given", () =>
    Effect.gen(function*() {
      const { items, run } = noting()
      const batcher = yield* Batcher.make({ run, maxSize: 100 })
      const outcomes = yield* Effect.forEach([1, 2, 3, 2], batcher.submit, all)
      assert.deepStrictEqual(outcomes, [1, 2, 3, 2])
      assert.deepStrictEqual(items(), [[1, 2, 3, 2]])
    }))

  it.effect("who leaves after a flush takes it along: what comes later waits for others as ever", () =>
    Effect.gen(function*() {
      const { items, run } = noting()
      const gate = yield* Deferred.make<void>()
      const gated = (all: Items) => Effect.andThen(all.includes(0) ? Deferred.await(gate) : Effect.void, run(all))
      const batcher = yield* Batcher.make({ run: gated, maxSize: 10, maxWait: 100 })
      yield* batcher.enqueue(0)
      yield* batcher.flush
      yield* settle
      const leaves = yield* Effect.forkChild(batcher.submit(1), { startImmediately: true })
      yield* batcher.flush
      yield* Fiber.interrupt(leaves)
      yield* batcher.enqueue(2)
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust(99)
      assert.deepStrictEqual(items(), [[0]])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(items(), [[0], [2]])
    }))

  it.effect("the time is read once for all who bring their next item when they are told of their last", () =>
    Effect.gen(function*() {
      const live = yield* Clock.Clock
      const { items, run } = noting()
      let reads = 0
      const clock = clockOf(live, {
        monotonicTimeNanosUnsafe: () => {
          reads++
          return live.monotonicTimeNanosUnsafe()
        }
      })
      const counted = (all: Items) =>
        Effect.map(run(all), (exits) => {
          reads = 0
          return exits
        })
      const make = Batcher.make({ run: counted, maxSize: 100, maxWait: "1 hour" })
      const batcher = yield* Effect.provideService(make, Clock.Clock, clock)
      yield* Effect.replicateEffect(Effect.andThen(batcher.submit(1), batcher.submit(2)), 99, all).pipe(
        Effect.forkChild({ startImmediately: true })
      )
      yield* batcher.submit(1)
      assert.strictEqual(items().length, 1)
      assert.isAtMost(reads, 2)
    }))

  it.effect("AC-22.3 the end of the scope sends the rest once, without waiting for more", () =>
    Effect.gen(function*() {
      const { batches, run } = noting()
      yield* Effect.scoped(Effect.gen(function*() {
        const batcher = yield* Batcher.make({ run, maxSize: 3, maxWait: "1 hour" })
        yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7], batcher.enqueue)
      }))
      assert.deepStrictEqual(batches, [[0, [1, 2, 3]], [0, [4, 5, 6]], [0, [7]]])
    }))

  it.effect("AC-22.4 batches start no closer than the interval, also at the end, and intake goes on meanwhile", () =>
    Effect.gen(function*() {
      const { batches, run } = noting()
      const scope = yield* Scope.make()
      const make = Batcher.make({ run, maxSize: 2, interval: "500 millis", capacity: 5, concurrency: 3 })
      const batcher = yield* Scope.provide(make, scope)
      const intake = yield* Effect.forkChild(Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8, 9], batcher.enqueue))
      yield* until(Effect.map(batcher.stats, ({ queued, waiting }) => queued === 5 && waiting === 1))
      assert.isUndefined(intake.pollUnsafe())
      yield* TestClock.adjust("500 millis")
      yield* Fiber.join(intake)
      const close = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("499 millis")
      assert.strictEqual(batches.length, 2)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(close)
      assert.deepStrictEqual(batches, [
        [0, [1, 2]],
        [500, [3, 4]],
        [1000, [5, 6]],
        [1500, [7, 8]],
        [2000, [9]]
      ])
    }))

  it.effect("AC-22.5 a batch that fails gives its error to its own submitters, after its retries", () =>
    Effect.gen(function*() {
      const tried: globalThis.Array<ReadonlyArray<number>> = []
      const batcher = yield* Batcher.make({
        run: (items: Items) =>
          Effect.suspend(() => {
            tried.push(items)
            return items.includes(1) ? Effect.fail("poisoned") : Effect.succeed(items.map((item) => Exit.succeed(item)))
          }).pipe(Effect.retry(Schedule.recurs(2))),
        maxSize: 2
      })
      const exits = yield* Effect.forEach([1, 2, 3], (item) => Effect.exit(batcher.submit(item)), all)
      assert.deepStrictEqual(exits, [Exit.fail("poisoned"), Exit.fail("poisoned"), Exit.succeed(3)])
      assert.deepStrictEqual(tried, [[1, 2], [1, 2], [1, 2], [3]])
    }))

  it.effect("an item may fail alone", () =>
    Effect.gen(function*() {
      const batcher = yield* Batcher.make({
        run: (items: Items) =>
          Effect.succeed(
            items.map((item) => item === 2 ? Exit.fail("two") : item === 3 ? Exit.die("three") : Exit.succeed(item))
          ),
        maxSize: 10
      })
      const exits = yield* Effect.forEach([1, 2, 3, 4], (item) => Effect.exit(batcher.submit(item)), all)
      assert.deepStrictEqual(exits, [Exit.succeed(1), Exit.fail("two"), Exit.die("three"), Exit.succeed(4)])
    }))

  it.effect("a batch that dies, is interrupted, or answers for too many or too few does not stop the batcher", () =>
    Effect.gen(function*() {
      const runs: ReadonlyArray<(items: Items) => Effect.Effect<ReadonlyArray<Exit.Exit<number>>>> = [
        () => Effect.die("dies"),
        () => Effect.interrupt,
        () =>
          Effect.withFiber((fiber) => {
            fiber.interruptUnsafe()
            return Effect.never
          }),
        () => Effect.succeed([]),
        () => Effect.succeed([Exit.succeed(1), Exit.succeed(2)]),
        () => {
          throw new Error("throws")
        },
        (items) => Effect.succeed(items.map((item) => Exit.succeed(item)))
      ]
      const batcher = yield* Batcher.make({
        run: (items: Items) => runs[items[0]]?.(items) ?? Effect.die("no such"),
        maxSize: 1
      })
      const exits = yield* Effect.forEach([0, 1, 2, 3, 4, 5, 6], (item) => Effect.exit(batcher.submit(item)))
      const kind = (exit: Exit.Exit<number, unknown>) => Exit.isSuccess(exit) ? exit.value : exit.cause.reasons[0]?._tag
      assert.deepStrictEqual(exits.map(kind), ["Die", "Interrupt", "Interrupt", "Die", "Die", "Die", 6])
      const mismatch = exits[4]
      assert.isDefined(mismatch)
      assert.include(Exit.isFailure(mismatch) ? Cause.pretty(mismatch.cause) : "", "1 items has 2 outcomes")
    }))

  it.effect("no more batches run than allowed, and all that are allowed", () =>
    Effect.gen(function*() {
      const { open, run, started } = gated()
      const batcher = yield* Batcher.make({ run, maxSize: 2, concurrency: 2 })
      const outcomes = yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7], batcher.enqueue)
      yield* settle
      assert.deepStrictEqual(started, [[1, 2], [3, 4]])
      yield* open
      yield* settle
      assert.deepStrictEqual(started, [[1, 2], [3, 4], [5, 6]])
      yield* Effect.all([open, open])
      yield* settle
      yield* open
      assert.deepStrictEqual(yield* Effect.all(outcomes), [1, 2, 3, 4, 5, 6, 7])
    }))

  it.effect("a batch weighs no more than it may, and what would never fit is refused", () =>
    Effect.gen(function*() {
      const { items, run } = noting()
      const batcher = yield* Batcher.makeWeighted({
        run,
        weight: (item) => item,
        maxWeight: 10,
        maxSize: 3,
        maxWait: "1 second"
      })
      yield* Effect.forEach([6, 5, 4, 1, 1, 1, 1, 10], batcher.enqueue)
      yield* settle
      assert.deepStrictEqual(items(), [[6], [5, 4, 1], [1, 1, 1], [10]])
      for (const wrong of [10.5, NaN, -1, Infinity]) {
        const error = yield* Effect.flip(batcher.submit(wrong))
        assert.deepInclude(error, { _tag: "TooHeavy", maxWeight: 10 })
        assert.match(error.message, /split it, or raise maxWeight/)
        assert.strictEqual((yield* Effect.flip(Effect.flatten(batcher.enqueue(wrong))))._tag, "TooHeavy")
      }
      assert.deepStrictEqual(yield* batcher.stats, { waiting: 0, queued: 0, batches: 0 })
    }))

  it.effect("a cancelled submitter leaves its batch; one that runs goes on for the others, and stops with the last", () =>
    Effect.gen(function*() {
      const events: globalThis.Array<string> = []
      const batcher = yield* Batcher.make({
        run: (items: Items) =>
          Effect.sleep("1 hour").pipe(
            Effect.as(items.map((item) => Exit.succeed(item))),
            Effect.onInterrupt(() => Effect.delay(Effect.sync(() => events.push(`${items.join()} cleaned`)), 1000))
          ),
        maxSize: 3,
        maxWait: 100
      })
      const fibers = yield* Effect.forEach([1, 2, 3], (item) => Effect.forkChild(batcher.submit(item)))
      const [one, two, three] = fibers
      assert.isDefined(one)
      assert.isDefined(two)
      assert.isDefined(three)
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(one)
      assert.deepStrictEqual(yield* batcher.stats, { waiting: 0, queued: 0, batches: 1 })
      yield* Fiber.interrupt(two)
      const last = yield* Effect.forkChild(Fiber.interrupt(three))
      yield* settle
      assert.isUndefined(last.pollUnsafe())
      yield* TestClock.adjust(1000)
      yield* Fiber.join(last)
      assert.deepStrictEqual(events, ["1,2,3 cleaned"])

      const left = yield* Effect.forkChild(batcher.submit(4))
      const stays = yield* Effect.forkChild(batcher.submit(5))
      yield* settle
      yield* Fiber.interrupt(left)
      assert.strictEqual((yield* batcher.stats).queued, 1)
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(yield* Fiber.join(stays), 5)
    }))

  it.effect("an interrupted enqueue leaves nothing behind", () =>
    Effect.gen(function*() {
      const { items, run } = noting()
      const batcher = yield* Batcher.make({ run, maxSize: 10, maxWait: 100, capacity: 10, interval: 1000 })
      yield* Effect.forEach([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19], (item) =>
        item === 10 ? Effect.andThen(settle, batcher.enqueue(item)) : batcher.enqueue(item))
      const waits = yield* Effect.forEach([20, 21], (item) =>
        Effect.forkChild(batcher.enqueue(item)))
      yield* settle
      assert.strictEqual((yield* batcher.stats).waiting, 2)
      if (waits[0] !== undefined) yield* Fiber.interrupt(waits[0])
      yield* TestClock.adjust(5000)
      assert.deepStrictEqual(items().slice(1), [[10, 11, 12, 13, 14, 15, 16, 17, 18, 19], [21]])
    }))

  it.effect("a batcher with nothing to do sleeps not at all", () =>
    Effect.gen(function*() {
      const { run } = noting()
      const live = yield* Clock.Clock
      let sleeps = 0
      const clock = clockOf(live, {
        sleep: (duration) => {
          sleeps++
          return live.sleep(duration)
        }
      })
      const make = Batcher.make({ run, maxSize: 2, maxWait: 1000 })
      const batcher = yield* Effect.provideService(make, Clock.Clock, clock)
      yield* TestClock.adjust("1 day")
      assert.strictEqual(sleeps, 0)
      for (let item = 0; item < 10; item++) yield* batcher.enqueue(item)
      yield* TestClock.adjust("1 day")
      assert.isAtMost(sleeps, 1)
    }))

  it.effect("a shutdown says what is left when its time is over", () =>
    Effect.gen(function*() {
      const { run } = gated()
      const batcher = yield* Batcher.make({ run, maxSize: 2, capacity: 2 })
      const outcomes = yield* Effect.forEach([1, 2], batcher.enqueue)
      yield* settle
      const [queued] = yield* Effect.forEach([3, 4], batcher.enqueue)
      const waits = yield* Effect.forkChild(batcher.enqueue(5))
      yield* settle
      const shutdown = yield* Effect.forkChild(batcher.shutdown("10 seconds"))
      yield* settle
      const refused = yield* Effect.flip(Fiber.join(waits))
      assert.deepInclude(refused, { _tag: "BatcherClosed", started: false })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(shutdown), { notRun: [3, 4], interrupted: [1, 2] })
      const [cut] = outcomes
      assert.isDefined(cut)
      assert.isDefined(queued)
      assert.deepInclude(yield* Effect.flip(cut), { started: true })
      assert.deepInclude(yield* Effect.flip(queued), { started: false })
      for (const late of [batcher.submit(6), batcher.enqueue(6), Stream.runDrain(batcher.through(Stream.make(6)))]) {
        assert.deepInclude(yield* Effect.flip<unknown, unknown, never>(late), { _tag: "BatcherClosed" })
      }
      assert.deepStrictEqual((yield* batcher.shutdown()).notRun, [3, 4])
    }))

  it.effect("items are counted, by how they ended; latency is kept of what has a name", () =>
    Effect.gen(function*() {
      const { open, run } = gated()
      const batcher = yield* Batcher.make({
        run: (items: Items) =>
          Effect.map(run(items), (exits) => exits.map((exit, at) => items[at] === 2 ? Exit.fail("no") : exit)),
        maxSize: 2,
        capacity: 2,
        drainFor: 0,
        name: "rows"
      })
      const series = Effect.map(Metric.snapshot, (all) =>
        Object.fromEntries(
          all.filter(({ attributes, id }) => id.startsWith("heddle_batcher_") && attributes?.["name"] === "rows")
            .map((
              { id, state }
            ) => [
              id.slice("heddle_batcher_".length),
              "value" in state ? state.value : "count" in state ? state.count : NaN
            ])
        ))
      yield* Effect.forEach([1, 2], batcher.enqueue)
      yield* settle
      yield* Effect.forEach([3, 4], batcher.enqueue)
      const waits = yield* Effect.forkChild(batcher.submit(5))
      yield* settle
      const now = {
        depth: 2,
        waiting: 1,
        active: 2,
        completed_total: 0,
        failed_total: 0,
        latency_seconds: 0,
        dropped_total: 0
      }
      assert.deepStrictEqual(yield* series, now)
      yield* open
      yield* settle
      yield* Fiber.interrupt(waits)
      yield* batcher.shutdown(0)
      const end = { depth: 0, waiting: 0, active: 0, completed_total: 1, failed_total: 1, dropped_total: 3 }
      assert.deepStrictEqual(yield* series, { ...end, latency_seconds: 4 })
    }))

  it.effect("an option that cannot mean anything is refused by its name", () =>
    Effect.gen(function*() {
      const good = { run: noting().run, maxSize: 1 }
      for (const option of ["maxSize", "concurrency", "capacity"]) {
        for (const count of [0, -1, 1.5, NaN]) {
          const error = yield* Effect.flip(Batcher.make({ ...good, [option]: count }))
          assert.deepInclude(error, { _tag: "InvalidOption", option })
        }
      }
      for (const option of ["maxWait", "interval", "drainFor"]) {
        for (const millis of [-1, NaN]) {
          const error = yield* Effect.flip(Batcher.make({ ...good, [option]: millis }))
          assert.deepInclude(error, { _tag: "InvalidOption", option })
        }
      }
      for (const maxWeight of [0, -1, NaN]) {
        const error = yield* Effect.flip(Batcher.makeWeighted({ ...good, maxWeight, weight: () => 1 }))
        assert.deepInclude(error, { _tag: "InvalidOption", option: "maxWeight" })
      }
      const batcher = yield* Batcher.make(good)
      assert.deepInclude(yield* Effect.flip(batcher.shutdown(NaN)), { option: "within" })
    }))
})

describe("Batcher.through", () => {
  it.effect("gives each element's outcome in order, and sends the rest when the stream ends", () =>
    Effect.gen(function*() {
      const { items, run } = noting()
      const batcher = yield* Batcher.make({ run, maxSize: 4, maxWait: Infinity })
      const outcomes = yield* Stream.runCollect(Stream.range(1, 10).pipe(batcher.through))
      assert.deepStrictEqual(outcomes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      assert.deepStrictEqual(items(), [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]])
    }))

  it.effect("does not stop for want of room where a batch never fills", () =>
    Effect.gen(function*() {
      const { run } = noting()
      const batcher = yield* Batcher.make({ run, maxSize: 100, maxWait: Infinity, capacity: 3 })
      const numbers = Stream.range(1, 20).pipe(Stream.rechunk(1))
      assert.strictEqual((yield* Stream.runCollect(numbers.pipe(batcher.through))).length, 20)
    }))

  it.effect("what came before a failure is sent, and its outcomes come before the failure", () =>
    Effect.gen(function*() {
      const { items, run } = noting()
      const batcher = yield* Batcher.make({ run, maxSize: 100, maxWait: Infinity })
      const seen: globalThis.Array<number> = []
      const failing = Stream.concat(Stream.make(1, 2, 3), Stream.fail("source"))
      const stream = failing.pipe(batcher.through, Stream.tap((item) => Effect.sync(() => seen.push(item))))
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(stream)), "source")
      assert.deepStrictEqual(items(), [[1, 2, 3]])
      assert.deepStrictEqual(seen, [1, 2, 3])
    }))

  it.effect("fails with the first element that fails", () =>
    Effect.gen(function*() {
      const batcher = yield* Batcher.make({
        run: (items: Items) =>
          Effect.succeed(items.map((item) => item > 2 ? Exit.fail(`no ${item}`) : Exit.succeed(item))),
        maxSize: 2
      })
      const error = yield* Effect.flip(Stream.runDrain(Stream.range(1, 10).pipe(batcher.through)))
      assert.strictEqual(error, "no 3")
    }))

  it.effect("does not lose its buffer when it is interrupted, in the middle of a chunk either", () =>
    Effect.gen(function*() {
      const { batches, run } = noting()
      yield* Effect.scoped(Effect.gen(function*() {
        const batcher = yield* Batcher.make({ run, maxSize: 5, maxWait: "1 hour", capacity: 7, interval: "1 minute" })
        const source = Stream.concat(Stream.fromArray([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]), Stream.never)
        const consumer = yield* Effect.forkChild(Stream.runDrain(source.pipe(batcher.through)))
        yield* settle
        assert.strictEqual((yield* batcher.stats).waiting, 6)
        yield* Fiber.interrupt(consumer)
        assert.strictEqual((yield* batcher.stats).waiting, 0)
        yield* Effect.forkDetach(TestClock.adjust("2 minutes"))
        yield* batcher.shutdown("1 hour")
      }))
      assert.deepStrictEqual(batches.flatMap(([, items]) => items), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    }))

  it.effect("holds back its source while there is no room", () =>
    Effect.gen(function*() {
      const { open, run, started } = gated()
      const batcher = yield* Batcher.make({ run, maxSize: 2, capacity: 4, drainFor: 0 })
      let pulled = 0
      const source = Stream.range(1, 1000).pipe(Stream.rechunk(1), Stream.tap(() => Effect.sync(() => pulled++)))
      const consumer = yield* Effect.forkChild(Stream.runDrain(source.pipe(batcher.through)))
      yield* until(Effect.map(batcher.stats, ({ queued }) => started.length === 1 && queued === 4))
      yield* settle
      assert.isAtMost(pulled, 8)
      yield* open
      yield* until(Effect.map(batcher.stats, ({ queued }) => started.length === 2 && queued === 4))
      yield* settle
      assert.isAtMost(pulled, 11)
      yield* Fiber.interrupt(consumer)
      yield* batcher.shutdown(0)
    }))
})
