import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Multiplexer } from "heddle/flow"

/** Everything that can happen without time passing has happened when it is over. */
const settled = TestClock.adjust(1)

/** A source that gives what its queue is given. */
const pushed = Effect.map(
  Queue.unbounded<number, Cause.Done>(),
  (queue) => ({ queue, stream: Stream.fromQueue(queue) })
)

/** A clock that says what another does, but for what is given. */
const like = (
  clock: Clock.Clock,
  { currentTimeMillisUnsafe = () => clock.currentTimeMillisUnsafe(), sleep = (duration) => clock.sleep(duration) }:
    Partial<
      Pick<Clock.Clock, "currentTimeMillisUnsafe" | "sleep">
    >
): Clock.Clock => ({
  currentTimeMillis: clock.currentTimeMillis,
  currentTimeMillisUnsafe,
  currentTimeNanos: clock.currentTimeNanos,
  currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  sleep
})

const values = (elements: ReadonlyArray<{ readonly value: unknown }>) => elements.map(({ value }) => value)

describe("Multiplexer", () => {
  it.effect("AC-02.1 delivers all 300 of 300 that find room", () =>
    Effect.gen(function*() {
      const source = (priority: number, from: number) => ({ priority, stream: Stream.range(from, from + 99) })
      const { stats, stream } = yield* Multiplexer.make({
        sources: { critical: source(10, 0), user: source(5, 100), metrics: source(1, 200) }
      })
      const seen = values(yield* Stream.runCollect(stream)).map(Number)
      assert.deepStrictEqual(seen.toSorted((a, b) => a - b), Array.from({ length: 300 }, (_, at) => at))
      const each = { offered: 100, delivered: 100, dropped: 0, waiting: 0, state: "ended" }
      assert.deepStrictEqual(yield* stats, { critical: each, user: each, metrics: each } as const)
    }))

  it.effect("AC-02.1 counts every drop by its source", () =>
    Effect.gen(function*() {
      const { stats, stream } = yield* Multiplexer.make({
        sources: {
          oldest: { stream: Stream.range(1, 10), buffer: 3, whenFull: "dropOldest" },
          newest: { stream: Stream.range(1, 10), buffer: 4, whenFull: "dropNewest", priority: -1 }
        }
      })
      yield* settled
      assert.deepStrictEqual(values(yield* Stream.runCollect(stream)), [8, 9, 10, 1, 2, 3, 4])
      const { newest, oldest } = yield* stats
      assert.deepStrictEqual([oldest.offered, oldest.delivered, oldest.dropped], [10, 3, 7])
      assert.deepStrictEqual([newest.offered, newest.delivered, newest.dropped], [10, 4, 6])
    }))

  it.effect("AC-02.2 delivers the highest priority that waits, and within one priority what came first", () =>
    Effect.gen(function*() {
      const [low, high, also] = [yield* pushed, yield* pushed, yield* pushed]
      const { stream } = yield* Multiplexer.make({
        sources: {
          low: { stream: low.stream, priority: 1 },
          high: { stream: high.stream, priority: 2 },
          also: { stream: also.stream, priority: 2 }
        }
      })
      const next = Stream.runHead(stream).pipe(
        Effect.map((head) => head._tag === "Some" ? head.value.value : undefined)
      )
      for (const [source, value] of [[low, 1], [also, 2], [high, 3], [also, 4], [low, 5]] as const) {
        yield* Queue.offer(source.queue, value)
        yield* settled
      }
      assert.deepStrictEqual([yield* next, yield* next], [2, 3])
      yield* Queue.offer(high.queue, 6)
      yield* settled
      assert.deepStrictEqual([yield* next, yield* next, yield* next, yield* next], [4, 6, 1, 5])
    }))

  it.live("AC-02.3 delivers without a poll: nobody sleeps, neither while it is idle nor when something comes", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      let sleeps = 0
      const watched = like(clock, {
        sleep: (duration) => {
          sleeps++
          return clock.sleep(duration)
        }
      })
      const source = yield* pushed
      const delivered = yield* Queue.unbounded<number>()
      const program = Effect.gen(function*() {
        const { stream } = yield* Multiplexer.make({ sources: { source } })
        yield* Effect.forkScoped(Stream.runForEach(stream, ({ value }) => Queue.offer(delivered, value)))
        for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
        yield* Queue.offer(source.queue, 1)
        assert.strictEqual(yield* Queue.take(delivered), 1)
      })
      yield* Effect.provideService(program, Clock.Clock, watched)
      assert.strictEqual(sleeps, 0)
    }))

  it.effect("AC-02.4 a source that waits loses nothing and is held back", () =>
    Effect.gen(function*() {
      let taken = 0
      const counted = Stream.range(1, 50).pipe(Stream.rechunk(1), Stream.tap(() => Effect.sync(() => taken++)))
      const { stats, stream } = yield* Multiplexer.make({ sources: { only: { stream: counted, buffer: 4 } } })
      yield* settled
      assert.strictEqual(taken, 5)
      assert.deepStrictEqual((yield* stats).only.waiting, 5)
      assert.strictEqual((yield* Stream.runCollect(stream)).length, 50)
    }))

  it.effect("AC-02.4 a source waits 50 ms for room and drops what has waited", () =>
    Effect.gen(function*() {
      const { stats, stream } = yield* Multiplexer.make({
        sources: { only: { stream: Stream.range(1, 5), buffer: 2, whenFull: { waitAtMost: "50 millis" } } }
      })
      yield* TestClock.adjust("49 millis")
      assert.deepStrictEqual((yield* stats).only, {
        offered: 3,
        delivered: 0,
        dropped: 0,
        waiting: 3,
        state: "running"
      })
      yield* TestClock.adjust("2 millis")
      assert.deepStrictEqual((yield* stats).only, {
        offered: 4,
        delivered: 0,
        dropped: 1,
        waiting: 3,
        state: "running"
      })
      assert.deepStrictEqual(values(yield* Stream.runCollect(stream)), [1, 2, 4, 5])
      assert.deepStrictEqual((yield* stats).only, { offered: 5, delivered: 4, dropped: 1, waiting: 0, state: "ended" })
    }))

  it.effect("AC-02.5 a source that ends or fails does not stop the others, and its failure is shown at the end", () =>
    Effect.gen(function*() {
      const sources = {
        ends: { stream: Stream.make(1) },
        fails: { stream: Stream.concat(Stream.make(2), Stream.fail("broken" as const)), onError: "continue" },
        lives: { stream: Stream.range(3, 40).pipe(Stream.rechunk(1), Stream.tap(() => Effect.sleep(10))) }
      } as const
      const before = Object.entries(sources)
      const { stats, stream } = yield* Multiplexer.make({ sources })
      const seen: Array<unknown> = []
      const run = yield* Effect.forkChild(Stream.runForEach(stream, ({ value }) => Effect.sync(() => seen.push(value))))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Effect.flip(Fiber.join(run)), "broken")
      assert.strictEqual(seen.length, 40)
      const { ends, fails, lives } = yield* stats
      assert.deepStrictEqual([ends.state, fails.state, lives.state], ["ended", "failed", "ended"])
      assert.deepStrictEqual(Object.entries(sources), before)
    }))

  it.effect("AC-02.5 as said by onError: one that fails stops the others, which lose nothing, or is left out", () =>
    Effect.gen(function*() {
      const lives = { stream: Stream.range(1, 40).pipe(Stream.rechunk(1), Stream.tap(() => Effect.sleep(10))) }
      const fails = { stream: Stream.fromEffect(Effect.delay(Effect.fail("broken" as const), 25)) }
      const left = yield* Multiplexer.make({ sources: { lives, fails: { ...fails, onError: "leaveOut" } } })
      const stopped = yield* Multiplexer.make({ sources: { lives, fails } })
      const all = yield* Effect.forkChild(Stream.runCollect(left.stream))
      const seen: Array<unknown> = []
      const some = yield* Effect.forkChild(
        Stream.runForEach(stopped.stream, ({ value }) => Effect.sync(() => seen.push(value)))
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(all)).length, 40)
      assert.strictEqual(yield* Effect.flip(Fiber.join(some)), "broken")
      const { fails: failed, lives: other } = yield* stopped.stats
      assert.deepStrictEqual([failed.state, other.state], ["failed", "stopped"])
      assert.deepStrictEqual([other.offered, other.delivered, other.dropped], [seen.length, seen.length, 0])
      assert.deepStrictEqual(seen, [1, 2])
    }))

  it.effect("AC-02.4 a full source drops its oldest, or what comes, and counts it", () =>
    Effect.gen(function*() {
      for (const [whenFull, rest] of [["dropOldest", [4, 5]], ["dropNewest", [1, 2]]] as const) {
        const only = { stream: Stream.range(1, 5).pipe(Stream.rechunk(1)), buffer: 2, whenFull }
        const { stats, stream } = yield* Multiplexer.make({ sources: { only } })
        yield* settled
        assert.deepInclude((yield* stats).only, { offered: 5, dropped: 3, waiting: 2 })
        assert.deepStrictEqual(values(yield* Stream.runCollect(stream)), [...rest])
      }
    }))

  it.effect("AC-02.5 under saturation a low priority that ages is overtaken for a bounded time", () =>
    Effect.gen(function*() {
      const { stream } = yield* Multiplexer.make({
        order: { aging: "10 millis" },
        sources: {
          high: { stream: Stream.forever(Stream.make(0)), priority: 5, buffer: 2 },
          low: { stream: Stream.range(1, 3), priority: 0, buffer: 8 }
        }
      })
      yield* settled
      const seen: Array<number> = []
      const slow = Stream.runForEach(
        stream,
        ({ value }) => Effect.andThen(Effect.sync(() => seen.push(value)), Effect.sleep(1))
      )
      yield* Effect.forkScoped(slow)
      yield* TestClock.adjust("45 millis")
      assert.deepStrictEqual(seen.filter((value) => value > 0), [])
      yield* TestClock.adjust("15 millis")
      assert.deepStrictEqual(seen.filter((value) => value > 0), [1, 2, 3])
    }))

  it.effect("the age of what waits is not of the time of day, which may be put back", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      let back = 0
      const putBack = like(clock, { currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() - back })
      const made = Multiplexer.make({
        order: { aging: "10 millis" },
        sources: {
          high: { stream: Stream.forever(Stream.make(0)), priority: 5, buffer: 2 },
          low: { stream: Stream.make(1), priority: 0, buffer: 8 }
        }
      })
      const { stream } = yield* Effect.provideService(made, Clock.Clock, putBack)
      yield* settled
      back = 3_600_000
      const seen: Array<number> = []
      const slow = Stream.runForEach(
        stream,
        ({ value }) => Effect.andThen(Effect.sync(() => seen.push(value)), Effect.sleep(1))
      )
      yield* Effect.forkScoped(slow)
      yield* TestClock.adjust("60 millis")
      assert.include(seen, 1)
    }))

  it.effect("shares by weight among those that have something", () =>
    Effect.gen(function*() {
      const { stream } = yield* Multiplexer.make({
        order: "weighted",
        sources: {
          thrice: { stream: Stream.forever(Stream.make("thrice")), weight: 3 },
          once: { stream: Stream.forever(Stream.make("once")) },
          none: { stream: Stream.empty, weight: 100 }
        }
      })
      yield* settled
      const seen = values(yield* Stream.runCollect(Stream.take(stream, 12)))
      assert.strictEqual(seen.filter((value) => value === "thrice").length, 9)
    }))

  it.effect("a failure stops the other sources, and what was taken is delivered before it is shown", () =>
    Effect.gen(function*() {
      let closed = false
      const other = Stream.concat(Stream.make(1, 2), Stream.never).pipe(
        Stream.ensuring(Effect.sync(() => {
          closed = true
        }))
      )
      const { stats, stream } = yield* Multiplexer.make({
        sources: { other: { stream: other }, fails: { stream: Stream.fail("broken" as const) } }
      })
      const seen: Array<unknown> = []
      const failure = yield* Effect.flip(Stream.runForEach(stream, ({ value }) => Effect.sync(() => seen.push(value))))
      assert.deepStrictEqual([failure, seen, closed], ["broken", [1, 2], true])
      assert.strictEqual((yield* stats).other.state, "stopped")
    }))

  it.effect("an end stops the others where that is chosen", () =>
    Effect.gen(function*() {
      const seen = yield* Stream.runCollect(Multiplexer.stream({
        sources: {
          work: { stream: Stream.concat(Stream.make(1), Stream.never) },
          until: { stream: Stream.empty, onEnd: "stop" }
        }
      }))
      assert.deepStrictEqual(values(seen), [1])
    }))

  it.effect("a failure that is left out is logged and not shown, a defect is", () =>
    Effect.gen(function*() {
      const logged: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => logged.push([logLevel, message]))
      const merged = (broken: Stream.Stream<number, string>) =>
        Stream.runCollect(Multiplexer.stream({
          sources: { broken: { stream: broken, onError: "leaveOut" }, fine: { stream: Stream.make(1) } }
        })).pipe(Effect.map(values), Effect.provide(Logger.layer([logger])))
      assert.deepStrictEqual(yield* merged(Stream.fail("broken")), [1])
      assert.strictEqual(logged.length, 1)
      const exit = yield* Effect.exit(merged(Stream.die("bug")))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    }))

  it.effect("all that failed are told", () =>
    Effect.gen(function*() {
      const fails = (what: string) => ({ stream: Stream.fail(what), onError: "continue" } as const)
      const exit = yield* Effect.exit(
        Stream.runDrain(Multiplexer.stream({ sources: { one: fails("one"), other: fails("other") } }))
      )
      const told = Exit.isFailure(exit)
        ? exit.cause.reasons.flatMap((one) => one._tag === "Fail" ? [one.error] : [])
        : []
      assert.sameMembers(told, ["one", "other"])
    }))

  it.effect("no sources are a stream that ends", () =>
    Effect.map(Stream.runCollect(Multiplexer.stream({ sources: {} })), (seen) => assert.deepStrictEqual(seen, [])))

  it.effect("two consumers share the elements, and one that leaves takes nothing along", () =>
    Effect.gen(function*() {
      const source = yield* pushed
      const { stream } = yield* Multiplexer.make({ sources: { source } })
      const seen: Array<unknown> = []
      const consume = Stream.runForEach(stream, ({ value }) => Effect.sync(() => seen.push(value)))
      const leaver = yield* Effect.forkChild(consume)
      const stayer = yield* Effect.forkChild(consume)
      yield* settled
      yield* Queue.offer(source.queue, 1)
      yield* Fiber.interrupt(leaver)
      yield* Queue.offerAll(source.queue, [2, 3])
      yield* Queue.end(source.queue)
      yield* Fiber.join(stayer)
      assert.deepStrictEqual(seen, [1, 2, 3])
    }))

  it.effect("who still consumes when the scope is closed gets what was taken, and is not told that all is done", () =>
    Effect.gen(function*() {
      let closed = 0
      const endless = Stream.concat(Stream.make(1, 2), Stream.never).pipe(Stream.ensuring(Effect.sync(() => closed++)))
      const { stats, stream } = yield* Effect.scoped(
        Effect.tap(Multiplexer.make({ sources: { one: { stream: endless } } }), settled)
      )
      assert.strictEqual(closed, 1)
      const seen: Array<unknown> = []
      const exit = yield* Effect.exit(Stream.runForEach(stream, ({ value }) => Effect.sync(() => seen.push(value))))
      assert.deepStrictEqual(seen, [1, 2])
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.strictEqual((yield* stats).one.state, "stopped")
    }))

  it.effect("counts what waits, is delivered and is dropped, for each source, and takes back what it counted as waiting", () =>
    Effect.gen(function*() {
      const shot = Effect.map(
        Metric.snapshot,
        (all) => Object.fromEntries(all.map(({ attributes, id, state }) => [`${id} ${attributes?.["source"]}`, state]))
      )
      const made = Effect.gen(function*() {
        const { stream } = yield* Multiplexer.make({
          name: "orders",
          sources: {
            waits: { stream: Stream.range(1, 9), buffer: 2 },
            drops: { stream: Stream.range(1, 9), buffer: 2, whenFull: "dropNewest", priority: 1 }
          }
        })
        yield* settled
        yield* TestClock.adjust("2 seconds")
        yield* Stream.runDrain(Stream.take(stream, 3))
        return yield* shot
      })
      const during = yield* Effect.scoped(made)
      assert.deepEqual(during["heddle_multiplexer_depth waits"], { value: 2 })
      assert.deepEqual(during["heddle_multiplexer_waiting waits"], { value: 0 })
      assert.deepEqual(during["heddle_multiplexer_completed_total drops"], { count: 2, incremental: true })
      assert.deepEqual(during["heddle_multiplexer_dropped_total drops"], { count: 7, incremental: true })
      const latency = during["heddle_multiplexer_latency_seconds drops"]
      assert.deepInclude(latency, { count: 2, min: 2.001, max: 2.001 })
      const after = yield* shot
      assert.deepEqual(after["heddle_multiplexer_depth waits"], { value: 0 })
      assert.deepEqual(after["heddle_multiplexer_completed_total waits"], { count: 1, incremental: true })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("refuses options that mean nothing, and names them", () =>
    Effect.gen(function*() {
      const stream = Stream.make(1)
      const refused = (
        options: Multiplexer.Options<Readonly<Record<string, Multiplexer.Source<number, never, never>>>>
      ) =>
        Effect.map(Effect.flip(Effect.scoped(Multiplexer.make(options))), (error) =>
          error instanceof Error && "option" in error ? error.option : error)
      for (const buffer of [0, -1, 1.5, NaN]) {
        assert.strictEqual(yield* refused({ sources: { a: { stream, buffer } } }), "sources.a.buffer")
      }
      for (const priority of [NaN, Infinity]) {
        assert.strictEqual(yield* refused({ sources: { a: { stream, priority } } }), "sources.a.priority")
      }
      for (const weight of [0, -1, NaN, Infinity]) {
        const sources = { a: { stream, weight } }
        assert.strictEqual(yield* refused({ order: "weighted", sources }), "sources.a.weight")
      }
      for (const aging of [0, -1, NaN, Infinity]) {
        assert.strictEqual(yield* refused({ order: { aging }, sources: {} }), "order.aging")
      }
      for (const waitAtMost of [-1, NaN]) {
        const sources = { a: { stream, whenFull: { waitAtMost } } }
        assert.strictEqual(yield* refused({ sources }), "sources.a.whenFull.waitAtMost")
      }
    }))
})
