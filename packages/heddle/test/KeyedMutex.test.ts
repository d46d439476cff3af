import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import { KeyedMutex } from "heddle/flow"

const settle = TestClock.adjust(1)

/** Holds a key until it is told to let go. */
const hold = <K>(mutex: KeyedMutex.KeyedMutex<K>, key: K) =>
  Effect.gen(function*() {
    const gate = Deferred.makeUnsafe<void>()
    const fiber = yield* Effect.forkChild(mutex.withLock(key)(Deferred.await(gate)), { startImmediately: true })
    return { fiber, release: Effect.andThen(Deferred.succeed(gate, undefined), Fiber.join(fiber)) }
  })

describe("KeyedMutex", () => {
  it.effect("AC-41.4 effects of one key run one after the other, in order of arrival", () =>
    Effect.gen(function*() {
      const mutex = yield* KeyedMutex.make<string>()
      const log: Array<string> = []
      const work = (n: number) =>
        mutex.withLock("a")(Effect.gen(function*() {
          log.push(`+${n}`)
          yield* Effect.yieldNow
          log.push(`-${n}`)
        }))
      yield* Effect.forEach([1, 2, 3], work, { concurrency: "unbounded" })
      assert.deepStrictEqual(log, ["+1", "-1", "+2", "-2", "+3", "-3"])
    }))

  it.effect("AC-41.2 a key waits for no other", () =>
    Effect.gen(function*() {
      const mutex = yield* KeyedMutex.make<string>()
      const { release } = yield* hold(mutex, "a")
      assert.strictEqual(yield* mutex.withLock("b")(Effect.succeed(1)), 1)
      yield* release
    }))

  it.effect("the lock is passed on: who comes at the moment of its release does not overtake", () =>
    Effect.gen(function*() {
      const mutex = yield* KeyedMutex.make<string>()
      const log: Array<string> = []
      const say = (word: string) => Effect.sync(() => void log.push(word))
      const first = Effect.andThen(Effect.yieldNow, say("first"))
      // It asks again in the step after its release.
      const again = Effect.andThen(mutex.withLock("a")(first), mutex.withLock("a")(say("again")))
      const fibers = [
        yield* Effect.forkChild(again, { startImmediately: true }),
        yield* Effect.forkChild(mutex.withLock("a")(say("second")), { startImmediately: true })
      ]
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(log, ["first", "second", "again"])
    }))

  it.effect("AC-41.4 the key is free after success, failure, defect and interruption, when the finalizers have run", () =>
    Effect.gen(function*() {
      const mutex = yield* KeyedMutex.make<string>()
      let inside = true
      const clean = Effect.andThen(Effect.yieldNow, Effect.sync(() => void (inside = false)))
      for (const effect of [Effect.void, Effect.fail("no"), Effect.die("never"), Effect.interrupt]) {
        inside = true
        const fibers = [
          yield* Effect.forkChild(mutex.withLock("a")(Effect.ensuring(effect, clean)), { startImmediately: true }),
          yield* Effect.forkChild(
            mutex.withLock("a")(Effect.sync(() => assert.isFalse(inside))),
            { startImmediately: true }
          )
        ]
        const [exit, after] = yield* Fiber.awaitAll(fibers)
        assert.strictEqual(exit !== undefined && Exit.isSuccess(exit), effect === Effect.void)
        assert.isTrue(after !== undefined && Exit.isSuccess(after))
      }
      assert.deepStrictEqual(yield* mutex.stats, { held: 0, waiting: 0 })
    }))

  it.effect("who is interrupted leaves the line, wherever it stands, and the others keep their order", () =>
    Effect.gen(function*() {
      const mutex = yield* KeyedMutex.make<string>()
      const { release } = yield* hold(mutex, "a")
      const log: Array<number> = []
      const fibers = yield* Effect.forEach(
        [0, 1, 2, 3, 4],
        (n) => Effect.forkChild(mutex.withLock("a")(Effect.sync(() => log.push(n))), { startImmediately: true })
      )
      assert.deepStrictEqual(yield* mutex.stats, { held: 1, waiting: 5 })
      for (const [at, fiber] of fibers.entries()) if (at % 2 === 0) yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* mutex.stats, { held: 1, waiting: 2 })
      yield* release
      yield* Fiber.awaitAll(fibers)
      assert.deepStrictEqual(log, [1, 3])
    }))

  it.effect("tryWithLock does not wait, and gives the key back", () =>
    Effect.gen(function*() {
      const mutex = yield* KeyedMutex.make<string>()
      const { release } = yield* hold(mutex, "a")
      let ran = false
      assert.deepStrictEqual(
        yield* mutex.tryWithLock("a")(Effect.sync(() => void (ran = true))),
        Option.none()
      )
      assert.isFalse(ran)
      yield* release
      assert.deepStrictEqual(yield* mutex.tryWithLock("a")(Effect.succeed(1)), Option.some(1))
      assert.strictEqual(yield* Effect.flip(mutex.tryWithLock("a")(Effect.fail("mine"))), "mine")
      assert.deepStrictEqual(yield* mutex.stats, { held: 0, waiting: 0 })
    }))

  it.effect("ten thousand that wait and do not suspend nest no stack", () =>
    Effect.gen(function*() {
      const mutex = yield* KeyedMutex.make<string>()
      let sum = 0
      const { release } = yield* hold(mutex, "a")
      const add = mutex.withLock("a")(Effect.sync(() => sum++))
      const fibers = yield* Effect.forEach(
        Array.from({ length: 10_000 }),
        () => Effect.forkChild(add, { startImmediately: true })
      )
      yield* release
      yield* Fiber.awaitAll(fibers)
      assert.strictEqual(sum, 10_000)
    }))

  it.effect("its numbers can be scraped; latency is kept of what has a name", () =>
    Effect.gen(function*() {
      const mutex = yield* KeyedMutex.make<string>({ name: "users" })
      const read = Effect.map(Metric.snapshot, (all) =>
        Object.fromEntries(
          all.filter(({ attributes, id }) => id.startsWith("heddle_keyed_mutex") && attributes?.["name"] === "users")
            .map(({ id, state }) => {
              const { count, value } = { count: undefined, value: undefined, ...state }
              return [id.slice("heddle_keyed_mutex_".length), value ?? count]
            })
        ))
      const { release } = yield* hold(mutex, "a")
      const waits = yield* Effect.forkChild(mutex.withLock("a")(Effect.void), { startImmediately: true })
      assert.deepStrictEqual(yield* read, { active: 1, waiting: 1, latency_seconds: 0 })
      yield* release
      yield* Fiber.join(waits)
      yield* settle
      assert.deepStrictEqual(yield* read, { active: 0, waiting: 0, latency_seconds: 1 })
    }))
})
