import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { KeyedMutex } from "heddle/flow"

const all = { concurrency: "unbounded" } as const
const nothing = { held: 0, waiting: 0 }

/** Works that die where two of one key are inside. */
const guarded = (inside: Set<number>, key: number) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      assert.isFalse(inside.has(key), "two are inside")
      inside.add(key)
    }),
    () => Effect.yieldNow,
    () => Effect.sync(() => inside.delete(key))
  )

/** Five fibers take two keys, some give up or are interrupted while they wait or work. */
const program = Effect.gen(function*() {
  const mutex = yield* KeyedMutex.make<number>()
  const inside = new Set<number>()
  let done = 0
  let expected = 0
  const one = Effect.gen(function*() {
    for (let turn = 0; turn < 2; turn++) {
      const key = yield* Random.nextIntBetween(0, 2)
      const way = yield* Random.nextIntBetween(0, 5)
      const work = guarded(inside, key)
      if (way === 0) {
        const fiber = yield* Effect.forkChild(mutex.withLock(key)(work))
        yield* Effect.yieldNow
        if (yield* Random.nextBoolean) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
      } else if (way === 1) yield* mutex.tryWithLock(key)(work)
      else {
        expected++
        yield* mutex.withLock(key)(Effect.andThen(work, Effect.sync(() => done++)))
      }
    }
  })
  yield* Effect.all([one, one, one, one, one], all)
  assert.strictEqual(done, expected)
  assert.deepStrictEqual(yield* mutex.stats, nothing)
})

describe("KeyedMutex under every kind of interleaving", () => {
  it.live("never two inside, nobody waits for ever, and nothing is kept of keys that are free", () =>
    Effect.andThen(
      Explore.run(program, { runs: 3000, leaks: true }),
      Explore.run(program, { runs: 1000, leaks: true, strategy: Explore.pct() })
    ), 120_000)

  it.live("three fibers in every order with two preemptions", () =>
    Explore.run(
      Effect.gen(function*() {
        const mutex = yield* KeyedMutex.make<number>()
        const inside = new Set<number>()
        const work = mutex.withLock(1)(guarded(inside, 1))
        const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(work))
        yield* Effect.forEach(fibers.slice(1, 2), Fiber.interrupt)
        yield* Fiber.awaitAll(fibers)
        assert.deepStrictEqual(yield* mutex.stats, nothing)
      }),
      { runs: 3000, leaks: true, strategy: Explore.exhaustive({ preemptions: 2 }) }
    ), 120_000)
})

describe("KeyedMutex tried while others come", () => {
  it.live("who tries never stands in line, in every order with two preemptions", () =>
    Explore.run(
      Effect.gen(function*() {
        const mutex = yield* KeyedMutex.make<number>()
        const gate = Deferred.makeUnsafe<void>()
        const holder = yield* Effect.forkChild(mutex.withLock(1)(Deferred.await(gate)))
        // It would wait for the gate, which opens after it.
        const tried = yield* Effect.forkChild(mutex.tryWithLock(1)(Effect.void))
        yield* Fiber.await(tried)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.await(holder)
        assert.deepStrictEqual(yield* mutex.stats, nothing)
      }),
      { runs: 3000, leaks: true, strategy: Explore.exhaustive({ preemptions: 2 }) }
    ), 120_000)
})

describe("KeyedMutex interrupted at every step", () => {
  interface World {
    readonly mutex: KeyedMutex.KeyedMutex<number>
    readonly inside: Set<number>
  }
  const setup: Effect.Effect<World> = Effect.map(
    KeyedMutex.make<number>(),
    (mutex) => ({ mutex, inside: new Set<number>() })
  )
  for (const way of ["withLock", "tryWithLock"] as const) {
    it.live(`${way}: no lock is lost`, () =>
      InterruptSweep.run({
        setup,
        program: ({ inside, mutex }) =>
          Effect.forEach([1, 1, 2, 1], (key): Effect.Effect<unknown> => mutex[way](key)(guarded(inside, key)), all),
        invariant: ({ inside, mutex }) =>
          Effect.gen(function*() {
            assert.deepStrictEqual(yield* mutex.stats, nothing)
            yield* mutex.withLock(1)(guarded(inside, 1))
            assert.strictEqual(inside.size, 0)
          }),
        target: "all"
      }), 120_000)
  }
})
