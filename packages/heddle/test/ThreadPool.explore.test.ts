import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import { ThreadPool } from "heddle/flow"
import { fakeThreads } from "./FakeThread.ts"

const tasks = { work: ThreadPool.task({ payload: Schema.Int, success: Schema.Int, error: Schema.String }) }

/** Tasks that note when they begin, twice is a defect, and succeed, fail or crash by their number. */
const world = (crashes: boolean, losesLastWords = false) => {
  const begun = new Set<number>()
  const program = (_: number, terminate: () => void) =>
    ThreadPool.serve(tasks, {
      work: (n) =>
        Effect.gen(function*() {
          assert.isFalse(begun.has(n), "begun twice")
          begun.add(n)
          if (n % 2 === 0) yield* Effect.yieldNow
          if (crashes && n % 5 === 0) {
            terminate()
            return yield* Effect.never
          }
          if (n % 7 === 0) return yield* Effect.fail("seven")
          return n
        })
    })
  return { begun, layer: fakeThreads(program, { losesLastWords }) }
}

const check = (
  n: number,
  exit: Exit.Exit<number, string | ThreadPool.Refusal>,
  begun: ReadonlySet<number>,
  { interrupted, losesLastWords }: { readonly interrupted: boolean; readonly losesLastWords: boolean }
) => {
  if (Exit.isSuccess(exit)) return assert.strictEqual(exit.value, n)
  const [reason] = exit.cause.reasons
  if (reason?._tag === "Interrupt") return assert.isTrue(interrupted, "another's interruption")
  assert.strictEqual(reason?._tag, "Fail", String(exit))
  if (reason?._tag !== "Fail") return
  if (reason.error === "seven") return assert.strictEqual(n % 7, 0)
  assert.isTrue(typeof reason.error !== "string" && reason.error._tag === "ThreadCrashed" && begun.has(n))
  if (!losesLastWords) assert.strictEqual(n % 5, 0)
}

const program = Effect.gen(function*() {
  const losesLastWords = yield* Random.nextBoolean
  const { begun, layer } = world(true, losesLastWords)
  yield* Effect.scoped(Effect.gen(function*() {
    const size = yield* Random.nextIntBetween(1, 3)
    const recycleAfter = (yield* Random.nextBoolean) ? 2 : Infinity
    const pool = yield* ThreadPool.make(tasks, { size, recycleAfter })
    const one = (n: number) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(pool.submit("work", n))
        const interrupted = (yield* Random.nextIntBetween(0, 3)) === 0
        if (interrupted) {
          for (let turns = yield* Random.nextIntBetween(0, 6); turns > 0; turns--) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
        }
        check(n, yield* Fiber.await(fiber), begun, { interrupted, losesLastWords })
      })
    const resizes = Effect.gen(function*() {
      for (let turns = yield* Random.nextIntBetween(0, 8); turns > 0; turns--) yield* Effect.yieldNow
      yield* pool.resize(yield* Random.nextIntBetween(1, 4))
    })
    const all = [...[1, 2, 3, 4, 5, 6, 7].map(one), resizes, resizes]
    yield* Effect.all(all, { concurrency: "unbounded", discard: true })
    const { active, queued, ready, size: wanted } = yield* pool.stats
    assert.deepStrictEqual({ active, queued }, { active: 0, queued: 0 })
    assert.isAtMost(ready, wanted)
  })).pipe(Effect.provide(layer))
})

describe("ThreadPool under every kind of interleaving", () => {
  it.live("each task begins once or not at all, and everybody is told what happened", () =>
    Effect.andThen(
      Explore.run(program, { runs: 1000, leaks: true }),
      Explore.run(program, { runs: 300, leaks: true, strategy: Explore.pct() })
    ), 120_000)
})

describe("ThreadPool interrupted at every step", () => {
  it.live("no task runs twice, and no thread is left", () =>
    InterruptSweep.run({
      setup: Effect.sync(() => world(false)),
      program: ({ layer }) =>
        Effect.gen(function*() {
          const pool = yield* ThreadPool.make(tasks, { size: 1 })
          yield* Effect.forEach([1, 2, 3], (n) => pool.submit("work", n), { concurrency: "unbounded" })
        }).pipe(Effect.scoped, Effect.provide(layer)),
      invariant: ({ begun }) => Effect.sync(() => assert.isAtMost(begun.size, 3))
    }), 120_000)
})
