import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Transferable from "effect/workers/Transferable"
import * as Worker from "effect/workers/Worker"
import { ThreadPool } from "heddle/flow"
import { fakeThreads } from "./FakeThread.ts"

class Odd extends Schema.TaggedError<Odd>()("Odd", { n: Schema.Int }) {}

const tasks = {
  half: ThreadPool.task({ payload: Schema.Int, success: Schema.Int, error: Odd }),
  wait: ThreadPool.task({ payload: Schema.Int, success: Schema.Int }),
  length: ThreadPool.task({ payload: Transferable.Uint8Array, success: Schema.Int }),
  any: ThreadPool.task({ payload: Schema.Any, success: Schema.Any }),
  date: ThreadPool.task({ payload: Schema.DateFromString, success: Schema.DateFromString })
}

/** Lets everybody go on who can. */
const settle = Effect.repeat(Effect.yieldNow, { times: 100 })

/** Threads whose `wait` ends when it is told to; `-1` ends its thread. */
const world = () => {
  const begun: Array<number> = []
  const gates = new Map<number, Deferred.Deferred<void>>()
  let running = 0
  let most = 0
  let spawned = 0
  let alive = 0
  const layer = fakeThreads((_, terminate) => {
    spawned++
    alive++
    return Effect.ensuring(
      ThreadPool.serve(tasks, {
        half: (n) => n % 2 === 0 ? Effect.succeed(n / 2) : Effect.fail(new Odd({ n })),
        wait: (n) =>
          Effect.suspend(() => {
            begun.push(n)
            most = Math.max(most, ++running)
            if (n === -1) terminate()
            const gate = Deferred.makeUnsafe<void>()
            gates.set(n, gate)
            return Effect.as(Deferred.await(gate), n)
          }).pipe(Effect.ensuring(Effect.sync(() => running--))),
        length: ({ length }) => Effect.succeed(length),
        any: (value) => value === "die" ? Effect.die(new Error("boom")) : Effect.succeed(() => value),
        date: (date) => Effect.succeed(new Date(date.getTime() + 1000))
      }),
      Effect.sync(() => alive--)
    )
  })
  const open = (n: number, then: Effect.Effect<unknown> = settle) => {
    const gate = gates.get(n)
    return Effect.andThen(gate === undefined ? Effect.void : Deferred.succeed(gate, undefined), then)
  }
  return { begun, layer, open, most: () => most, spawned: () => spawned, alive: () => alive }
}

const submitAll = (pool: ThreadPool.ThreadPool<typeof tasks>, numbers: ReadonlyArray<number>) =>
  Effect.forEach(numbers, (n) => Effect.forkChild(pool.submit("wait", n), { startImmediately: true }))

describe("ThreadPool", () => {
  it.effect("results and failures are typed, decoded by their schemas; a defect is one here", () =>
    Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { drainFor: 0, size: 2 })
      assert.strictEqual(yield* pool.submit("half", 4), 2)
      assert.deepStrictEqual(yield* Effect.flip(pool.submit("half", 3)), new Odd({ n: 3 }))
      assert.deepStrictEqual(yield* pool.submit("date", new Date(0)), new Date(1000))
      const exit = yield* Effect.exit(pool.submit("any", "die"))
      assert.isTrue(Exit.isFailure(exit) && Cause.pretty(exit.cause).includes("boom"))
      assert.strictEqual(yield* pool.submit("half", 6), 3)
    }).pipe(Effect.provide(world().layer)))

  it.effect("a thread does one task at a time, and no thread is idle while a task waits", () => {
    const { begun, layer, most, open } = world()
    return Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { drainFor: 0, size: 2 })
      const fibers = yield* submitAll(pool, [1, 2, 3, 4, 5, 6])
      yield* settle
      assert.deepStrictEqual(begun, [1, 2])
      // One thread ends all that it was sent, and takes what the other has not begun.
      yield* open(1)
      for (let left = 4; left > 0; left--) yield* open(begun.at(-1) ?? 0)
      assert.sameMembers(begun, [1, 2, 3, 4, 5, 6])
      yield* open(2)
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), [1, 2, 3, 4, 5, 6])
      assert.strictEqual(most(), 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("an interrupted task ends with its thread, which is replaced; the others run once", () => {
    const { begun, layer, open, spawned } = world()
    return Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { drainFor: 0, size: 1 })
      const [first, second, third] = yield* submitAll(pool, [1, 2, 3])
      yield* settle
      assert.deepStrictEqual(begun, [1])
      if (first !== undefined) yield* Fiber.interrupt(first)
      yield* settle
      assert.deepStrictEqual([begun, spawned()], [[1, 2], 2])
      yield* open(2)
      yield* open(3)
      assert.deepStrictEqual([second?.pollUnsafe(), third?.pollUnsafe()], [Exit.succeed(2), Exit.succeed(3)])
      const { interrupted, ready, restarted } = yield* pool.stats
      assert.deepStrictEqual({ interrupted, ready, restarted }, { interrupted: 1, ready: 1, restarted: 1 })
    }).pipe(Effect.provide(layer))
  })

  it.effect("a task that was sent and has not begun is taken back, and costs no thread", () => {
    const { begun, layer, open, spawned } = world()
    return Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { drainFor: 0, size: 1 })
      const fibers = yield* submitAll(pool, [1, 2, 3])
      yield* settle
      for (const fiber of fibers.slice(1, 2)) yield* Fiber.interrupt(fiber)
      yield* open(1)
      yield* open(3)
      assert.deepStrictEqual([begun, spawned()], [[1, 3], 1])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a crash fails the task that had begun, and what was sent with it runs on the next thread", () => {
    const { begun, layer, open } = world()
    return Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { drainFor: 0, size: 1, name: "sums" })
      const [crashed, next] = yield* submitAll(pool, [-1, 2])
      yield* settle
      const error = crashed === undefined ? undefined : yield* Effect.flip(Fiber.join(crashed))
      assert.isTrue(error instanceof ThreadPool.ThreadCrashed && error.started)
      assert.include(String(error), "a thread of sums ended while it did wait")
      yield* open(2)
      assert.deepStrictEqual([begun, next?.pollUnsafe()], [[-1, 2], Exit.succeed(2)])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a thread is replaced after so many tasks", () => {
    const { layer, spawned } = world()
    return Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { drainFor: 0, size: 1, recycleAfter: 2 })
      const all = yield* Effect.forEach([2, 4, 6, 8, 10], (n) => pool.submit("half", n), { concurrency: "unbounded" })
      assert.deepStrictEqual(all, [1, 2, 3, 4, 5])
      yield* settle
      assert.strictEqual(spawned(), 3)
    }).pipe(Effect.provide(layer))
  })

  it.effect("what cannot be cloned or does not fit its schema fails its own task, and no other", () =>
    Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { drainFor: 0, size: 1 })
      const calls = [
        pool.submit("half", 2),
        pool.submit("any", () => 1),
        pool.submit("half", 1.5),
        pool.submit("half", 4)
      ]
      const exits = yield* Effect.forEach(calls, (call) => Effect.result(call), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        exits.map((result) => result._tag === "Success" ? result.success : result.failure._tag),
        [1, "NotSendable", "NotSendable", 2]
      )
      const exit = yield* Effect.exit(pool.submit("any", "a function comes back"))
      assert.isTrue(Exit.isFailure(exit) && Cause.pretty(exit.cause).includes("the result could not be sent"))
    }).pipe(Effect.provide(world().layer)))

  it.effect("what is marked is moved, and not copied", () =>
    Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { drainFor: 0, size: 1 })
      const bytes = new Uint8Array(1024)
      assert.strictEqual(yield* pool.submit("length", bytes), 1024)
      assert.strictEqual(bytes.length, 0)
    }).pipe(Effect.provide(world().layer)))

  it.effect("a full queue, a deadline and a shutdown are told as by a pool of fibers", () => {
    const { begun, layer, open } = world()
    return Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { drainFor: 0, size: 1, queue: 1, whenFull: "reject" })
      const fibers = yield* submitAll(pool, [1, 2, 3])
      yield* settle
      assert.strictEqual((yield* Effect.flip(pool.submit("wait", 4)))._tag, "PoolFull")
      yield* open(1)
      const late = yield* Effect.forkChild(Effect.flip(pool.submit("wait", 5, { deadline: 10 })), {
        startImmediately: true
      })
      yield* TestClock.adjust(10)
      assert.strictEqual((yield* Fiber.join(late))._tag, "TaskTimeout")
      const report = yield* pool.shutdown(0)
      const { completed, cut, running, timedOut } = report
      assert.deepStrictEqual({ completed, cut, running, timedOut }, { completed: 1, cut: 2, running: 0, timedOut: 1 })
      yield* Fiber.awaitAll(fibers)
      assert.strictEqual((yield* Effect.flip(pool.submit("wait", 6)))._tag, "PoolClosed")
      assert.notInclude(begun, 5)
    }).pipe(Effect.provide(layer))
  })

  it.effect("more threads take more at once; of fewer, those that are too many do what they have begun, and end", () => {
    const { alive, begun, layer, open, spawned } = world()
    return Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { drainFor: 0, size: 1 })
      const changes = yield* Effect.forkChild(Stream.runCollect(Stream.take(pool.changes, 2)), {
        startImmediately: true
      })
      const fibers = yield* submitAll(pool, [1, 2, 3, 4])
      yield* settle
      yield* pool.resize(3)
      yield* settle
      assert.sameMembers(begun, [1, 2, 3])
      const wide = yield* pool.stats
      assert.deepStrictEqual([wide.size, wide.ready, spawned()], [3, 3, 3])
      yield* pool.resize(1)
      yield* settle
      yield* open(2)
      yield* open(3)
      assert.sameMembers(begun, [1, 2, 3], "who leaves takes nothing more")
      const narrow = yield* pool.stats
      assert.deepStrictEqual([narrow.size, narrow.ready, narrow.restarted, alive()], [1, 1, 0, 1])
      yield* open(1)
      yield* open(4)
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), [1, 2, 3, 4])
      const resized = { _tag: "Resized", utilisation: undefined } as const
      assert.deepStrictEqual(yield* Fiber.join(changes), [
        { ...resized, from: 1, to: 3, pending: 2 },
        { ...resized, from: 3, to: 1, pending: 0 }
      ])
      assert.strictEqual((yield* Effect.flip(pool.resize(0))).option, "size")
      assert.strictEqual((yield* Effect.flip(pool.resize(1025))).option, "size")
    }).pipe(Effect.provide(layer))
  })

  it.effect("a thread that was too many and is needed again goes on", () => {
    const { begun, layer, open, spawned } = world()
    return Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { drainFor: 0, size: 2 })
      const fibers = yield* submitAll(pool, [1, 2, 3, 4])
      yield* settle
      yield* pool.resize(1)
      yield* pool.resize(2)
      yield* open(2)
      yield* open(1)
      yield* open(3)
      yield* open(4)
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), [1, 2, 3, 4])
      assert.deepStrictEqual([begun.length, spawned()], [4, 2])
    }).pipe(Effect.provide(layer))
  })

  it.effect("who leaves is given nothing, also while another thread is replaced", () => {
    const { begun, layer, open } = world()
    return Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { drainFor: 0, size: 2 })
      const [first, ...others] = yield* submitAll(pool, [1, 2, 3, 4])
      yield* settle
      yield* pool.resize(1)
      if (first !== undefined) yield* Fiber.interrupt(first)
      yield* settle
      yield* open(2)
      assert.deepStrictEqual(begun, [1, 2, 4], "4 was taken back before 3")
      yield* open(4)
      yield* open(3)
      assert.deepStrictEqual(yield* Effect.forEach(others, Fiber.join), [2, 3, 4])
    }).pipe(Effect.provide(layer))
  })

  it.effect("what waits when the last thread leaves that was up is done by one that is tried again", () => {
    const { layer: fine, open } = world()
    let broken = true
    const served = ThreadPool.serve(tasks, {
      half: Effect.succeed,
      wait: Effect.succeed,
      length: ({ length }) => Effect.succeed(length),
      any: Effect.succeed,
      date: Effect.succeed
    })
    const first = fakeThreads(() => broken ? Effect.void : served)
    return Effect.gen(function*() {
      const context = yield* Layer.build(first)
      const bad = Context.get(context, Worker.Spawner)
      const good = yield* Worker.Spawner
      const spawner = (id: number) => id === 0 ? bad(id) : good(id)
      const pool = yield* Effect.provideService(
        ThreadPool.make(tasks, { drainFor: 0, size: 2 }),
        Worker.Spawner,
        spawner
      )
      const [leaving] = yield* submitAll(pool, [1])
      yield* settle
      yield* pool.resize(1)
      const [next] = yield* submitAll(pool, [2])
      yield* settle
      broken = false
      yield* open(1)
      assert.deepStrictEqual([leaving?.pollUnsafe(), next?.pollUnsafe()], [Exit.succeed(1), Exit.succeed(2)])
    }).pipe(Effect.provide(fine))
  })

  it.effect("changes end with the report", () =>
    Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { size: 1 })
      const changes = yield* Effect.forkChild(Stream.runCollect(pool.changes), { startImmediately: true })
      yield* pool.submit("half", 2)
      yield* pool.pause
      yield* pool.resume
      const report = yield* pool.shutdown()
      yield* pool.resize(2)
      assert.deepStrictEqual((yield* Fiber.join(changes)).map(({ _tag }) => _tag), [
        "Paused",
        "Resumed",
        "Closing",
        "Closed"
      ])
      assert.strictEqual(report.completed, 1)
      assert.strictEqual((yield* pool.stats).size, 1)
    }).pipe(Effect.provide(world().layer)))

  it.effect("a thread that ends as soon as it has come up fails the task, and is not started again and again", () => {
    let spawned = 0
    const served = ThreadPool.serve({ half: tasks.half }, { half: () => Effect.never })
    const layer = fakeThreads(() => {
      spawned++
      return Effect.raceFirst(served, Effect.sleep(1))
    })
    return Effect.gen(function*() {
      yield* ThreadPool.make({ half: tasks.half }, { size: 1, drainFor: 0 })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(spawned, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("who has left a task that is already done ends no thread: its reply is on its way", () => {
    const { layer, open, spawned } = world()
    return Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { drainFor: 0, size: 1 })
      const [first, second] = yield* submitAll(pool, [1, 2])
      yield* settle
      yield* open(1, Effect.void)
      if (first !== undefined) yield* Fiber.interrupt(first)
      yield* settle
      yield* open(2)
      assert.deepStrictEqual([second?.pollUnsafe(), spawned()], [Exit.succeed(2), 1])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a thread that does not come up fails the task, and is tried again with the next", () => {
    let broken = true
    const layer = fakeThreads(() =>
      broken ? Effect.void : ThreadPool.serve({ half: tasks.half }, { half: (n) => Effect.succeed(n / 2) })
    )
    return Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ half: tasks.half }, { size: 2, drainFor: 0 })
      const error = yield* Effect.flip(pool.submit("half", 2))
      assert.isTrue(error instanceof ThreadPool.ThreadCrashed && !error.started)
      broken = false
      assert.strictEqual(yield* pool.submit("half", 2), 1)
    }).pipe(Effect.provide(layer))
  })

  for (
    const [option, options] of [["size", { size: 0 }], ["size", { size: 2000 }], ["queue", { size: 1, queue: -1 }], [
      "recycleAfter",
      { size: 1, recycleAfter: 0 }
    ]] as const
  ) {
    it.effect(`${JSON.stringify(options)} is refused before a thread is made`, () => {
      const { layer, spawned } = world()
      return Effect.gen(function*() {
        const error = yield* Effect.flip(ThreadPool.make(tasks, options))
        assert.deepStrictEqual([error.option, spawned()], [option, 0])
      }).pipe(Effect.provide(layer))
    })
  }
})
