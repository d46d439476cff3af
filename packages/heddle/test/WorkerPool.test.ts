import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { PoolError, WorkerPool } from "heddle/flow"

const now = { startImmediately: true } as const
const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, now)
const settle = Effect.repeat(Effect.yieldNow, { times: 20 })

/** Tasks that note when they begin and end, and last until told. */
const scene = () => {
  const log: Array<string> = []
  const gates = new Map<string, Deferred.Deferred<void>>()
  const gate = (name: string) => {
    let found = gates.get(name)
    if (found === undefined) gates.set(name, found = Deferred.makeUnsafe<void>())
    return found
  }
  const task = (name: string) =>
    Effect.gen(function*() {
      log.push(`+${name}`)
      yield* Deferred.await(gate(name))
      log.push(`-${name}`)
      return name
    }).pipe(Effect.onInterrupt(() => Effect.sync(() => log.push(`!${name}`))))
  const end = (...names: ReadonlyArray<string>) =>
    Effect.andThen(Effect.forEach(names, (name) => Deferred.succeed(gate(name), undefined)), settle)
  return { log, task, end }
}

const conserved = (stats: WorkerPool.Stats) => {
  const { accepted, active, completed, cut, dropped, failed, interrupted, notRun, queued, timedOut } = stats
  assert.strictEqual(accepted, completed + failed + interrupted + timedOut + dropped + cut + notRun + queued + active)
}

describe("a task", () => {
  it.effect("gives its own submitter its result, its failure or its defect, and no one else", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1 })
      const exits = yield* Effect.forEach([
        pool.submit(Effect.succeed(1)),
        pool.submit(Effect.fail("no")),
        pool.submit(Effect.die("bad")),
        pool.submit(Effect.andThen(Effect.yieldNow, Effect.die("worse"))),
        pool.submit(Effect.interrupt),
        pool.submit(Effect.delay(Effect.succeed(2), 0))
      ], (task) => start(Effect.exit(task))).pipe(Effect.flatMap(Fiber.joinAll))
      assert.deepStrictEqual(exits.slice(0, 4), [
        Exit.succeed(1),
        Exit.fail("no"),
        Exit.die("bad"),
        Exit.die("worse")
      ])
      const [interrupted, last] = exits.slice(4)
      assert.isTrue(
        interrupted !== undefined && Exit.isFailure(interrupted) && Cause.hasInterruptsOnly(interrupted.cause)
      )
      assert.deepStrictEqual(last, Exit.succeed(2))
      const stats = yield* pool.stats
      assert.deepInclude(stats, { accepted: 6, completed: 2, failed: 3, interrupted: 1, active: 0, size: 1 })
    }))

  it.effect("runs with the services of whoever submitted it", () =>
    Effect.gen(function*() {
      const Name = Context.Reference<string>("test/Name", { defaultValue: () => "nobody" })
      const pool = yield* WorkerPool.make({ size: 1 })
      const { end, task } = scene()
      const first = yield* start(pool.submit(task("a")))
      const second = yield* start(Effect.provideService(pool.submit(Effect.service(Name)), Name, "ada"))
      yield* end("a")
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second)], ["a", "ada"])
    }))

  it.effect("waits for a worker, and higher priorities go first, each in order of arrival", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1 })
      const { end, log, task } = scene()
      yield* start(pool.submit(task("running")))
      const submit = (name: string, priority?: WorkerPool.Priority) =>
        start(pool.submit(Effect.sync(() => log.push(name)), { priority }))
      for (const [name, priority] of [["c1", 5], ["e", 0], ["b", 8], ["c2", undefined], ["a", 9], ["c3", 5]] as const) {
        yield* submit(name, priority)
      }
      assert.deepInclude(yield* pool.stats, { active: 1, queued: 6, highWater: 6 })
      yield* pool.resize(2)
      assert.deepStrictEqual(log, ["+running", "a", "b", "c1", "c2", "c3", "e"])
      yield* end("running")
    }))

  it.effect("is not overtaken by one that comes while a worker is free and tasks wait", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1 })
      const { end, log, task } = scene()
      const again = (name: string) => Effect.andThen(pool.submit(task(name)), pool.submit(task(`${name}2`)))
      yield* start(again("a"))
      yield* start(again("b"))
      yield* end("a", "b", "a2", "b2")
      assert.deepStrictEqual(log.filter((line) => line.startsWith("+")), ["+a", "+b", "+a2", "+b2"])
    }))

  it.effect("AC-04.5 is interrupted with its submitter: it leaves the queue at once, or its finalizers run first", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1, queue: 1 })
      const { end, log, task } = scene()
      const clean = Deferred.makeUnsafe<void>()
      const running = yield* start(pool.submit(Effect.onInterrupt(task("a"), () => Deferred.await(clean))))
      const queued = yield* start(pool.submit(task("b")))
      const outside = yield* start(pool.submit(task("c")))
      assert.deepInclude(yield* pool.stats, { active: 1, queued: 1, waiting: 1 })
      yield* Fiber.interrupt(queued)
      assert.deepInclude(yield* pool.stats, { active: 1, queued: 1, waiting: 0 })
      const ending = yield* start(Fiber.interrupt(running))
      yield* settle
      assert.isUndefined(ending.pollUnsafe())
      assert.deepInclude(yield* pool.stats, { active: 1, queued: 1 })
      yield* Deferred.succeed(clean, undefined)
      yield* Fiber.join(ending)
      yield* end("c")
      assert.strictEqual(yield* Fiber.join(outside), "c")
      assert.deepStrictEqual(log, ["+a", "!a", "+c", "-c"])
      const stats = yield* pool.stats
      assert.deepInclude(stats, { accepted: 3, completed: 1, interrupted: 2 })
    }))

  it.effect("whose finalizer fails tells its interrupted submitter", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1 })
      const fiber = yield* start(pool.submit(Effect.onInterrupt(Effect.never, () => Effect.die("unclean"))))
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause) && Cause.hasInterrupts(exit.cause))
    }))

  it.effect("that waits for the next one's answer does not nest until the stack ends", () =>
    Effect.gen(function*() {
      const count = 3000
      const pool = yield* WorkerPool.make({ size: count })
      const gates = Array.from({ length: count + 1 }, () => Deferred.makeUnsafe<void>())
      const links = yield* Effect.forEach(gates.slice(1), (gate, index) =>
        start(Effect.andThen(pool.submit(Deferred.await(gates[index] ?? gate)), Deferred.succeed(gate, undefined))))
      yield* Effect.forkChild(Effect.forEach(gates.slice(0, 1), (gate) =>
        Deferred.succeed(gate, undefined)))
      yield* Fiber.joinAll(links)
      assert.strictEqual((yield* pool.stats).completed, count)
    }))

  it.effect("lets other fibers have their turn, however many there are that need no time", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1, queue: 10_000 })
      const { end, task } = scene()
      yield* start(pool.submit(task("first")))
      const all = yield* Effect.forEach(Array.from({ length: 5000 }), () => start(pool.submit(Effect.void)))
      let seen = 0
      yield* Effect.forkChild(Effect.sync(() => {
        seen = all.filter((fiber) => fiber.pollUnsafe() !== undefined).length
      }))
      yield* end("first")
      yield* Fiber.joinAll(all)
      assert.isBelow(seen, 1000)
    }))
})

describe("a deadline", () => {
  it.effect("passes at its time and not before, waiting or running, and a worker is free when the task has ended", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1 })
      const { log, task } = scene()
      const clean = Deferred.makeUnsafe<void>()
      const slow = Effect.onInterrupt(task("a"), () => Deferred.await(clean))
      const running = yield* start(Effect.flip(pool.submit(slow, { deadline: "1 second" })))
      const queued = yield* start(Effect.flip(pool.submit(task("b"), { deadline: "500 millis" })))
      const later = yield* start(pool.submit(Effect.succeed("c"), { deadline: "1 minute" }))
      yield* TestClock.adjust("499 millis")
      assert.isUndefined(queued.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepInclude(yield* Fiber.join(queued), { _tag: "TaskTimeout", started: false })
      yield* TestClock.adjust("499 millis")
      assert.isUndefined(running.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepInclude(yield* Fiber.join(running), { _tag: "TaskTimeout", started: true })
      assert.deepInclude(yield* pool.stats, { active: 1, queued: 1, timedOut: 1 })
      yield* Deferred.succeed(clean, undefined)
      assert.strictEqual(yield* Fiber.join(later), "c")
      assert.deepStrictEqual(log, ["+a", "!a"])
      assert.deepInclude(yield* pool.stats, { timedOut: 2, completed: 1, active: 0 })
    }))

  it.effect("of 0 or less, or of what is no time, runs nothing", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1 })
      for (const deadline of [0, -1, NaN]) {
        const error = yield* Effect.flip(pool.submit(Effect.die("ran"), { deadline }))
        assert.deepInclude(error, { _tag: "TaskTimeout", started: false })
      }
      assert.deepInclude(yield* pool.stats, { refused: 3, accepted: 0 })
    }))

  it.effect("that passed is followed by a line in the log, if the task then fails", () =>
    Effect.gen(function*() {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ message }) => {
        lines.push(message)
      })
      yield* Effect.gen(function*() {
        const pool = yield* WorkerPool.make({ size: 1, name: "mail" })
        const bad = Effect.onInterrupt(Effect.never, () => Effect.die("unclean"))
        const fiber = yield* start(Effect.flip(pool.submit(bad, { deadline: 10 })))
        yield* TestClock.adjust(10)
        assert.include((yield* Fiber.join(fiber)).message, "mail")
      }).pipe(Effect.provide(Logger.layer([logger])))
      assert.deepStrictEqual(lines.flat(), ["mail: a task failed after it was answered"])
    }))
})

describe("a full queue", () => {
  it.effect("AC-04.4 lets a submitter wait for room, in order, until it is interrupted or its time is over", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1, queue: 1, whenFull: { waitFor: "1 second" } })
      const { end, log, task } = scene()
      yield* start(pool.submit(task("a")))
      yield* start(pool.submit(task("b")))
      const left = yield* start(pool.submit(task("c")))
      yield* TestClock.adjust("400 millis")
      const late = yield* start(Effect.flip(pool.submit(task("d"))))
      yield* Fiber.interrupt(left)
      yield* TestClock.adjust("500 millis")
      const lucky = yield* start(pool.submit(task("e"), { priority: 6 }))
      yield* TestClock.adjust("499 millis")
      assert.isUndefined(late.pollUnsafe())
      assert.deepInclude(yield* pool.stats, { active: 1, queued: 1, waiting: 2, accepted: 2 })
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(late)
      assert.deepInclude(error, { _tag: "PoolFull", reason: "waited" })
      yield* end("a")
      yield* TestClock.adjust("1 minute")
      yield* end("b", "e")
      assert.strictEqual(yield* Fiber.join(lucky), "e")
      assert.deepStrictEqual(log, ["+a", "-a", "+b", "-b", "+e", "-e"])
      assert.deepInclude(yield* pool.stats, { accepted: 3, refused: 1, completed: 3 })
    }))

  it.effect("AC-04.4 rejects at once", () =>
    Effect.gen(function*() {
      for (const whenFull of ["reject", { waitFor: 0 }] as const) {
        const pool = yield* WorkerPool.make({ size: 1, queue: 1, whenFull })
        const { end, task } = scene()
        yield* start(pool.submit(task("a")))
        yield* start(pool.submit(task("b")))
        assert.deepInclude(yield* Effect.flip(pool.submit(task("c"))), { _tag: "PoolFull", reason: "full" })
        yield* end("a", "b")
        assert.strictEqual(yield* pool.submit(Effect.succeed("d")), "d")
        assert.deepInclude(yield* pool.stats, { accepted: 3, refused: 1, completed: 3, waiting: 0 })
      }
    }))

  it.effect("drops the oldest of the lowest priority, and never a higher one", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1, queue: 2, whenFull: "drop" })
      const { end, log, task } = scene()
      yield* start(pool.submit(task("a")))
      const dropped = yield* start(Effect.flip(pool.submit(task("b"), { priority: 3 })))
      yield* start(pool.submit(task("c"), { priority: 7 }))
      yield* start(pool.submit(task("d"), { priority: 3 }))
      assert.deepInclude(yield* Fiber.join(dropped), { _tag: "PoolFull", reason: "dropped" })
      assert.deepInclude(yield* Effect.flip(pool.submit(task("e"), { priority: 2 })), { reason: "full" })
      yield* end("a", "c", "d")
      assert.deepStrictEqual(log, ["+a", "-a", "+c", "-c", "+d", "-d"])
      assert.deepInclude(yield* pool.stats, { accepted: 4, dropped: 1, refused: 1, completed: 3 })
    }))

  it.effect("of no places hands tasks from submitter to worker", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1, queue: 0 })
      const { end, log, task } = scene()
      for (const name of ["a", "b", "c"]) yield* start(pool.submit(task(name)))
      assert.deepInclude(yield* pool.stats, { active: 1, queued: 0, waiting: 2, accepted: 1 })
      yield* end("a", "b", "c")
      assert.deepStrictEqual(log, ["+a", "-a", "+b", "-b", "+c", "-c"])
      assert.deepInclude(yield* pool.stats, { accepted: 3, completed: 3, highWater: 0 })
      const none = yield* WorkerPool.make({ size: 1, queue: 0, whenFull: "drop" })
      yield* start(none.submit(task("d")))
      assert.deepInclude(yield* Effect.flip(none.submit(task("e"))), { reason: "full" })
      yield* end("d")
    }))

  it.effect("ends the wait of a submitter whose deadline passes at the door", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1, queue: 0 })
      yield* start(pool.submit(Effect.never))
      const late = yield* start(Effect.flip(pool.submit(Effect.void, { deadline: 5 })))
      yield* TestClock.adjust(5)
      assert.deepInclude(yield* Fiber.join(late), { _tag: "TaskTimeout", started: false })
      assert.deepInclude(yield* pool.stats, { waiting: 0, refused: 1, timedOut: 0 })
      yield* pool.shutdown(0)
    }))
})

describe("workers", () => {
  it.effect("are more at once, and fewer when enough have ended", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 3 })
      const { end, log, task } = scene()
      for (const name of ["a", "b", "c", "d", "e"]) yield* start(pool.submit(task(name)))
      yield* pool.resize(1)
      assert.deepInclude(yield* pool.stats, { size: 1, active: 3, queued: 2 })
      yield* end("a", "b")
      assert.deepInclude(yield* pool.stats, { active: 1, queued: 2 })
      yield* end("c")
      assert.deepInclude(yield* pool.stats, { active: 1, queued: 1 })
      yield* pool.resize(4)
      assert.deepInclude(yield* pool.stats, { size: 4, active: 2, queued: 0 })
      yield* end("d", "e")
      assert.lengthOf(log, 10)
    }))

  it.effect("start nothing while paused, and go on after", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 2, queue: 1 })
      const { end, log, task } = scene()
      yield* start(pool.submit(task("a")))
      yield* pool.pause
      yield* pool.pause
      yield* start(pool.submit(task("b")))
      yield* start(pool.submit(task("c")))
      yield* end("a")
      assert.deepInclude(yield* pool.stats, { active: 0, queued: 1, waiting: 1, paused: true })
      yield* pool.resume
      yield* pool.resume
      assert.deepInclude(yield* pool.stats, { active: 2, queued: 0, waiting: 0, paused: false })
      yield* end("b", "c")
      assert.lengthOf(log, 6)
    }))

  it.effect("drain: a wait ends when nothing runs and nothing waits, at once if that is so", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1 })
      yield* pool.drain
      const { end, task } = scene()
      for (const name of ["a", "b"]) yield* start(pool.submit(task(name)))
      const left = yield* start(pool.drain)
      const drained = yield* start(pool.drain)
      yield* Fiber.interrupt(left)
      yield* end("a")
      assert.isUndefined(drained.pollUnsafe())
      yield* end("b")
      yield* Fiber.join(drained)
    }))
})

describe("a shutdown", () => {
  it.effect("AC-04.2 lets what was accepted finish, refuses the rest, and accounts for all", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1, queue: 1 })
      const { end, log, task } = scene()
      const [a, b, c] = yield* Effect.forEach(["a", "b", "c"], (name) => start(Effect.exit(pool.submit(task(name)))))
      yield* pool.pause
      const first = yield* start(pool.shutdown())
      const second = yield* start(pool.shutdown())
      const closed = new PoolError.PoolClosed({ pool: "WorkerPool", started: false })
      assert.deepStrictEqual(c && (yield* Fiber.join(c)), Exit.fail(closed))
      assert.deepInclude(yield* Effect.flip(pool.submit(Effect.void)), { _tag: "PoolClosed", started: false })
      yield* end("a", "b")
      const report = yield* Fiber.join(first)
      assert.deepStrictEqual(report, {
        completed: 2,
        failed: 0,
        interrupted: 0,
        timedOut: 0,
        dropped: 0,
        cut: 0,
        notRun: 0,
        running: 0
      })
      assert.deepStrictEqual(yield* Fiber.join(second), report)
      assert.deepStrictEqual(yield* pool.shutdown(0), report)
      assert.deepStrictEqual([a && (yield* Fiber.join(a)), b && (yield* Fiber.join(b))], [
        Exit.succeed("a"),
        Exit.succeed("b")
      ])
      assert.lengthOf(log, 4)
      conserved(yield* pool.stats)
    }))

  it.effect("AC-04.2 that is forced interrupts what runs, tells what did not, and accounts for all", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1 })
      const { log, task } = scene()
      const [a, b] = yield* Effect.forEach(["a", "b"], (name) => start(Effect.flip(pool.submit(task(name)))))
      const report = yield* start(pool.shutdown("2 seconds"))
      yield* TestClock.adjust("1999 millis")
      assert.deepStrictEqual(log, ["+a"])
      yield* TestClock.adjust("1 millis")
      assert.deepInclude(yield* Fiber.join(report), { cut: 1, notRun: 1, running: 0, completed: 0 })
      assert.deepInclude(a && (yield* Fiber.join(a)), { _tag: "PoolClosed", started: true })
      assert.deepInclude(b && (yield* Fiber.join(b)), { _tag: "PoolClosed", started: false })
      assert.deepStrictEqual(log, ["+a", "!a"])
      conserved(yield* pool.stats)
    }))

  it.effect("AC-04.3 ends within its bound, also when a task does not", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1 })
      const stuck = Deferred.makeUnsafe<void>()
      const task = yield* start(Effect.flip(pool.submit(Effect.uninterruptible(Deferred.await(stuck)))))
      const report = yield* start(pool.shutdown("1 second"))
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* Fiber.join(task), { _tag: "PoolClosed", started: true })
      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(report.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepInclude(yield* Fiber.join(report), { cut: 0, running: 1 })
      yield* Deferred.succeed(stuck, undefined)
      yield* settle
      assert.deepInclude(yield* pool.stats, { cut: 1, active: 0 })
    }))

  it.effect("by the end of the scope lets tasks finish for drainFor", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const pool = yield* Scope.provide(WorkerPool.make({ size: 1, drainFor: "3 seconds" }), scope)
      const quick = yield* start(pool.submit(Effect.delay(Effect.succeed("done"), "2 seconds")))
      const never = yield* start(Effect.flip(pool.submit(Effect.never)))
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(quick), "done")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.join(closing)
      assert.deepInclude(yield* Fiber.join(never), { _tag: "PoolClosed", started: true })
    }))

  it.effect("by a task of the pool itself ends that task too", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 2 })
      const error = yield* Effect.flip(pool.submit(Effect.andThen(pool.shutdown(0), Effect.never)))
      assert.deepInclude(error, { _tag: "PoolClosed", started: true })
      assert.deepInclude(yield* pool.stats, { cut: 1, active: 0 })
    }))

  it.effect("that is interrupted leaves the pool closed and its tasks running", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1 })
      const { end, task } = scene()
      const running = yield* start(pool.submit(task("a")))
      const closing = yield* start(pool.shutdown(Infinity))
      yield* Fiber.interrupt(closing)
      assert.strictEqual((yield* Effect.flip(pool.submit(Effect.void)))._tag, "PoolClosed")
      yield* end("a")
      assert.strictEqual(yield* Fiber.join(running), "a")
    }))
})

describe("an adaptive pool", () => {
  const sizes = (pool: WorkerPool.WorkerPool<never>) =>
    Effect.gen(function*() {
      const { active, size } = yield* pool.stats
      return `${active}/${size}`
    })

  it.effect("AC-04.6 grows by a quarter at each tick while it is busy and tasks wait, and never above max", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: { min: 5, max: 20 } })
      let alive = 0
      const work = Effect.acquireUseRelease(
        Effect.sync(() => alive++),
        () => Effect.never,
        () => Effect.sync(() => alive--)
      )
      const tasks = yield* Effect.forEach(Array.from({ length: 35 }), () => start(pool.submit(work)))
      assert.deepInclude(yield* pool.stats, { size: 5, active: 5, queued: 30 })
      yield* TestClock.adjust("499 millis")
      assert.strictEqual(yield* sizes(pool), "5/5")
      yield* TestClock.adjust("1 millis")
      const seen = [yield* sizes(pool)]
      for (let tick = 0; tick < 7; tick++) {
        yield* TestClock.adjust("500 millis")
        seen.push(yield* sizes(pool))
        assert.strictEqual((yield* pool.stats).active, alive)
      }
      assert.deepStrictEqual(seen, ["6/6", "7/7", "8/8", "10/10", "12/12", "15/15", "18/18", "20/20"])
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* sizes(pool), "20/20")
      yield* Effect.forEach(tasks, Fiber.interrupt, { concurrency: "unbounded" })
    }))

  it.effect("AC-04.6 shrinks by 15 % at each tick while it is idle, not before its cooldown and never below min", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: { min: 5, max: 20, cooldown: "700 millis" } })
      yield* pool.resize(20)
      const seen: Array<number> = []
      for (let tick = 0; tick < 14; tick++) {
        yield* TestClock.adjust("500 millis")
        seen.push((yield* pool.stats).size)
      }
      assert.deepStrictEqual(seen, [20, 17, 15, 13, 12, 11, 10, 9, 8, 7, 6, 5, 5, 5])
    }))

  it.effect("AC-04.6 does not shrink while something waits, nor grow while nothing does", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: { min: 1, max: 8 } })
      yield* pool.resize(4)
      for (let n = 0; n < 4; n++) yield* start(pool.submit(Effect.never))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* sizes(pool), "4/4")
      yield* pool.shutdown(0)
      const paused = yield* WorkerPool.make({ size: { min: 1, max: 8 } })
      yield* paused.resize(4)
      yield* paused.pause
      yield* start(paused.submit(Effect.never))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* sizes(paused), "0/4")
      yield* paused.shutdown(0)
    }))

  it.effect("04h shrinks until its workers are half as busy as they should be, by what it saw over the whole interval", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: { min: 1, max: 20, cooldown: 0 } })
      yield* pool.resize(10)
      for (let n = 0; n < 3; n++) yield* start(pool.submit(Effect.never))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* sizes(pool), "3/8")
      yield* pool.shutdown(0)
      // Busy for 200 of 500 ms and idle at each look: 0.4, which is above half of 0.7.
      const bursts = yield* WorkerPool.make({ size: { min: 1, max: 4, cooldown: 0 } })
      yield* bursts.resize(2)
      for (let tick = 0; tick < 4; tick++) {
        for (let n = 0; n < 2; n++) yield* start(bursts.submit(Effect.sleep("200 millis")))
        yield* TestClock.adjust("500 millis")
      }
      assert.strictEqual(yield* sizes(bursts), "0/2")
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(yield* sizes(bursts), "0/1")
    }))

  it.effect("does not swing with a load that comes and goes faster than its cooldown", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: { min: 2, max: 8 } })
      const changes = yield* start(Stream.runCollect(pool.changes))
      for (let round = 0; round < 10; round++) {
        yield* Effect.forEach(Array.from({ length: 12 }), () => start(pool.submit(Effect.sleep("400 millis"))))
        yield* TestClock.adjust("2 seconds")
      }
      yield* pool.shutdown()
      const resized = (yield* Fiber.join(changes)).filter((change) => change._tag === "Resized")
      assert.isAbove(resized.length, 0)
      assert.isTrue(resized.every(({ from, to }) => to > from))
    }))

  it.effect("AC-04.7 brings three waves of 50, 75 and 100 to 225 outcomes, some of them failures", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: { min: 5, max: 20 }, queue: 100 })
      let outcomes = 0
      for (const wave of [50, 75, 100]) {
        const fibers = yield* Effect.forEach(Array.from({ length: wave }, (_, index) => index), (index) => {
          const job = Effect.sleep(50 + (index * 37) % 200)
          const task = index % 10 === 3 ? Effect.andThen(job, Effect.fail("no")) : Effect.as(job, index)
          return start(Effect.exit(pool.submit(task)))
        })
        yield* TestClock.adjust("10 seconds")
        outcomes += (yield* Fiber.joinAll(fibers)).length
      }
      const stats = yield* pool.stats
      assert.strictEqual(outcomes, 225)
      assert.deepInclude(stats, { accepted: 225, failed: 23, completed: 202, refused: 0 })
      assert.isAtLeast(stats.highWater, 50)
      assert.isAtMost(stats.highWater, 100)
    }))
})

describe("changes", () => {
  it.effect("tell what happens to a pool, and end when it is closed, also for who comes later", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: { min: 4, max: 8 } })
      const changes = yield* start(Stream.runCollect(pool.changes))
      for (let n = 0; n < 6; n++) yield* start(pool.submit(Effect.never))
      yield* TestClock.adjust("500 millis")
      yield* pool.pause
      yield* pool.resume
      yield* pool.resize(6)
      yield* pool.resize(6)
      const report = yield* pool.shutdown(0)
      const closed = { _tag: "Closed" as const, report }
      assert.deepStrictEqual(yield* Fiber.join(changes), [
        { _tag: "Resized", from: 4, to: 5, pending: 2, utilisation: 1 },
        { _tag: "Paused" },
        { _tag: "Resumed" },
        { _tag: "Resized", from: 5, to: 6, pending: 1, utilisation: undefined },
        { _tag: "Closing" },
        closed
      ])
      assert.deepStrictEqual(yield* Stream.runHead(pool.changes), Option.some(closed))
    }))
})

describe("metrics", () => {
  const read = Effect.map(Metric.snapshot, (all) =>
    Object.fromEntries(all.flatMap(({ attributes, id, state }) => {
      const name = id.replace("heddle_worker_pool_", "")
      return attributes?.["name"] === "mail" || !id.startsWith("heddle_worker_pool")
        ? [[
          name,
          "value" in state ? state.value : "sum" in state ? [state.count, state.sum] : "count" in state && state.count
        ]]
        : []
    })))

  it.effect("tell what a pool does and what became of its tasks, and what it no longer has is taken back", () =>
    Effect.gen(function*() {
      const pool = yield* WorkerPool.make({ size: 1, queue: 1, whenFull: "drop", name: "mail" })
      yield* WorkerPool.make({ size: 7 })
      yield* WorkerPool.make({ size: Infinity, name: "mail" })
      const { end, task } = scene()
      const a = yield* start(pool.submit(task("a")))
      yield* TestClock.adjust("1 second")
      yield* start(Effect.exit(pool.submit(task("b"))))
      yield* start(pool.submit(task("c")))
      assert.deepInclude(yield* read, { depth: 1, waiting: 0, active: 1, size: 1, dropped_total: 1, refused_total: 0 })
      yield* Effect.exit(pool.submit(Effect.void, { priority: 0 }))
      yield* TestClock.adjust("1 second")
      yield* end("a", "c")
      yield* Fiber.join(a)
      yield* Effect.exit(pool.submit(Effect.fail("no")))
      const late = yield* start(Effect.exit(pool.submit(Effect.never, { deadline: 10 })))
      yield* TestClock.adjust("10 millis")
      yield* Fiber.join(late)
      const gone = yield* start(pool.submit(Effect.never))
      yield* Fiber.interrupt(gone)
      yield* pool.resize(3)
      assert.strictEqual((yield* read)["size"], 3)
      yield* pool.shutdown()
      yield* pool.shutdown()
      assert.deepStrictEqual(yield* read, {
        depth: 0,
        waiting: 0,
        active: 0,
        size: 0,
        completed_total: 2,
        failed_total: 1,
        interrupted_total: 1,
        late_total: 1,
        dropped_total: 1,
        refused_total: 1,
        wait_seconds: [5, 1],
        latency_seconds: [5, 3.01]
      })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
})

describe("options that cannot mean anything", () => {
  const adaptive = { min: 1, max: 2 }
  const cases: ReadonlyArray<readonly [option: string, options: WorkerPool.Options]> = [
    ...[0, -1, 1.5, NaN].map((size) => ["size", { size }] as const),
    ...[-1, 0.5, NaN].map((queue) => ["queue", { size: 1, queue }] as const),
    ["waitFor", { size: 1, whenFull: { waitFor: -1 } }],
    ["drainFor", { size: 1, drainFor: NaN }],
    ["min", { size: { min: 0, max: 1 } }],
    ["min", { size: { min: 3, max: 2 } }],
    ["min", { size: { min: Infinity, max: Infinity } }],
    ["max", { size: { min: 1, max: NaN } }],
    ...[0, 1.1, NaN].map((targetUtilisation) =>
      ["targetUtilisation", { size: { ...adaptive, targetUtilisation } }] as const
    ),
    ...[0, -1, Infinity].map((grow) => ["grow", { size: { ...adaptive, grow } }] as const),
    ...[0, 2, NaN].map((shrink) => ["shrink", { size: { ...adaptive, shrink } }] as const),
    ["interval", { size: { ...adaptive, interval: 0 } }],
    ["interval", { size: { ...adaptive, interval: NaN } }],
    ["cooldown", { size: { ...adaptive, cooldown: -1 } }]
  ]
  it.effect("are refused by their name", () =>
    Effect.gen(function*() {
      for (const [option, options] of cases) {
        assert.deepInclude(yield* Effect.flip(WorkerPool.make(options)), { _tag: "InvalidOption", option })
      }
      const pool = yield* WorkerPool.make({ size: { min: 2, max: 4 } })
      for (const size of [1, 5, 2.5, NaN]) assert.deepInclude(yield* Effect.flip(pool.resize(size)), { option: "size" })
      assert.deepInclude(yield* Effect.flip(pool.shutdown(-1)), { option: "within" })
      assert.deepInclude(yield* pool.stats, { size: 2, closed: false })
    }))
})
