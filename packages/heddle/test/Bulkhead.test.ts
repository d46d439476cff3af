import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import { Bulkhead } from "heddle/resilience"

const started = { startImmediately: true }

describe("a bulkhead", () => {
  it.effect(
    "AC-14.1 runs no more than it may, in order of arrival, and has all places back in the end",
    () =>
      Effect.gen(function*() {
        const bulkhead = yield* Bulkhead.make({ name: "db", running: 3, waiting: 10_000 })
        let running = 0
        let most = 0
        const order = new Array<number>()
        const ends = [Effect.void, Effect.fail("bad"), Effect.die("worse"), Effect.interrupt, Effect.never]
        const fibers = yield* Effect.forEach(
          Array.from({ length: 10_000 }, (_, index) => index),
          (index) =>
            Effect.forkChild(
              bulkhead.run(Effect.acquireUseRelease(
                Effect.sync(() => {
                  order.push(index)
                  most = Math.max(most, ++running)
                }),
                () => Effect.andThen(Effect.yieldNow, ends[index % 5] ?? Effect.void),
                () => Effect.sync(() => void running--)
              )),
              started
            )
        )
        // One in five hangs and is interrupted, some while they wait.
        for (let index = 4; index < 10_000; index += 5) {
          if (index % 3 === 0) yield* Effect.yieldNow
          const fiber = fibers[index]
          if (fiber !== undefined) yield* Fiber.interrupt(fiber)
        }
        yield* Effect.forEach(fibers, Fiber.await)
        assert.deepStrictEqual(yield* bulkhead.occupancy, { running: 0, waiting: 0, places: 3 })
        assert.strictEqual(most, 3)
        assert.deepStrictEqual(order, order.toSorted((one, other) => one - other))
        assert.isAtLeast(order.length, 8000)
      }),
    120_000
  )

  it.effect("AC-14.2 never starts the call of one who gave up in the line", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ name: "db", running: 1, waiting: 1 })
      const gate = yield* Deferred.make<void>()
      const holder = yield* Effect.forkChild(bulkhead.run(Deferred.await(gate)), started)
      const waiter = yield* Effect.forkChild(bulkhead.run(Effect.die("started")), started)
      assert.deepStrictEqual(yield* bulkhead.occupancy, { running: 1, waiting: 1, places: 1 })
      yield* Fiber.interrupt(waiter)
      assert.deepStrictEqual(yield* bulkhead.occupancy, { running: 1, waiting: 0, places: 1 })
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(holder)
    }))

  it.effect("AC-14.3 tells apart: full, too long in the line, too long at work, interrupted", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ name: "db", running: 1, waiting: 1, waitFor: "1 second" })
      const worker = yield* Effect.forkChild(
        Effect.exit(bulkhead.run(Effect.timeout(Effect.never, "5 seconds"))),
        started
      )
      const waiter = yield* Effect.forkChild(Effect.flip(bulkhead.run(Effect.void)), started)
      const full = yield* Effect.flip(bulkhead.run(Effect.void))
      yield* TestClock.adjust("1 second")
      const late = yield* Fiber.join(waiter)
      yield* TestClock.adjust("4 seconds")
      const work = yield* Fiber.join(worker)
      assert.deepStrictEqual([full._tag, full.name], ["BulkheadFull", "db"])
      assert.deepInclude(late, { _tag: "BulkheadTimeout", name: "db", waited: 1000 })
      assert.strictEqual(Option.getOrThrow(Exit.findErrorOption(work))._tag, "TimeoutError")
      // One in the line, one at work: both end by their interruption and nothing else.
      const busy = yield* Effect.forkChild(bulkhead.run(Effect.never), started)
      const line = yield* Effect.forkChild(bulkhead.run(Effect.void), started)
      for (const fiber of [line, busy]) {
        yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      }
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(bulkhead.run(Effect.void))))
    }))

  it.effect("AC-14.4 lets in more at once when it grows, and none until they are few enough when it shrinks", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ name: "db", running: 3, waiting: 10 })
      const gates = yield* Effect.forEach(Array.from({ length: 6 }), () => Deferred.make<void>())
      const fibers = yield* Effect.forEach(
        gates,
        (gate) => Effect.forkChild(bulkhead.run(Deferred.await(gate)), started)
      )
      const end = (index: number) =>
        Effect.gen(function*() {
          const [gate, fiber] = [gates[index], fibers[index]]
          if (gate === undefined || fiber === undefined) return
          yield* Deferred.succeed(gate, undefined)
          yield* Fiber.join(fiber)
          yield* Effect.yieldNow
        })
      const stands = Effect.map(bulkhead.occupancy, ({ running, waiting }) => [running, waiting])
      yield* bulkhead.resize(1)
      yield* end(0)
      yield* end(1)
      assert.deepStrictEqual(yield* stands, [1, 3])
      yield* end(2)
      assert.deepStrictEqual(yield* stands, [1, 2])
      yield* bulkhead.resize(5)
      yield* Effect.yieldNow
      assert.deepStrictEqual(yield* stands, [3, 0])
      yield* Effect.forEach([3, 4, 5], end)
      assert.strictEqual((yield* Effect.flip(bulkhead.resize(0))).option, "running")
    }))

  it.effect("holds a place until the work has ended, its finalizers too", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ name: "db", running: 1 })
      const gate = yield* Deferred.make<void>()
      const work = Effect.onInterrupt(Effect.never, () => Deferred.await(gate))
      const holder = yield* Effect.forkChild(bulkhead.run(work), started)
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(holder), started)
      assert.strictEqual((yield* Effect.flip(bulkhead.run(Effect.void)))._tag, "BulkheadFull")
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(interrupting)
      yield* bulkhead.run(Effect.void)
    }))

  it.effect("refuses options that mean nothing", () =>
    Effect.gen(function*() {
      const wrong = (options: Partial<Bulkhead.Options>) =>
        Effect.map(Effect.flip(Bulkhead.make({ name: "db", running: 1, ...options })), ({ option }) => option)
      assert.strictEqual(yield* wrong({ name: "" }), "name")
      assert.strictEqual(yield* wrong({ running: 0 }), "running")
      assert.strictEqual(yield* wrong({ running: NaN }), "running")
      assert.strictEqual(yield* wrong({ waiting: -1 }), "waiting")
      assert.strictEqual(yield* wrong({ waitFor: -1 }), "waitFor")
      assert.strictEqual(yield* wrong({ waitFor: NaN }), "waitFor")
    }))

  it.effect("counts each call once, and shows who runs and waits", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ name: "db", running: 1, waiting: 2, waitFor: "1 second" })
      const holder = yield* Effect.forkChild(bulkhead.run(Effect.never), started)
      const late = yield* Effect.forkChild(Effect.exit(bulkhead.run(Effect.void)), started)
      const leaver = yield* Effect.forkChild(bulkhead.run(Effect.void), started)
      yield* Effect.exit(bulkhead.run(Effect.void))
      const series = (id: string, by: string) =>
        Effect.map(Metric.snapshot, (all) =>
          Object.fromEntries(all.flatMap(({ attributes, id: found, state }) =>
            found === id
              ? [[attributes?.[by], "count" in state ? state.count : "value" in state ? state.value : 0]]
              : []
          )))
      assert.deepStrictEqual(yield* series("heddle_bulkhead_occupancy", "state"), { running: 1, waiting: 2 })
      yield* Fiber.interrupt(leaver)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(late)
      yield* Fiber.interrupt(holder)
      assert.deepStrictEqual(yield* series("heddle_bulkhead_occupancy", "state"), { running: 0, waiting: 0 })
      assert.deepStrictEqual(yield* series("heddle_bulkhead_calls_total", "outcome"), {
        ended: 1,
        full: 1,
        timeout: 1,
        interrupted: 1
      })
      assert.deepStrictEqual(yield* series("heddle_bulkhead_wait_seconds", "bulkhead"), { db: 2 })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
})
