/**
 * What `Once` promises on every backend, each promise one test.
 *
 * @since 0.1.0
 */
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { KvStore, Once } from "heddle/coordination"
import type { KvAbilities } from "./KvStoreLaws.ts"
import { kvPatternLawOf, watches } from "./laws/kvPatternStage.ts"
import { gone } from "./laws/kvStage.ts"
import { eventually, inTime } from "./laws/Stage.ts"

/**
 * Registers the laws of `Once` as one suite. Stores that are built from the layer one after another must see the same keys.
 *
 * @category laws
 * @since 0.1.0
 */
export const onceLaws = <E>(
  name: string,
  layer: Layer.Layer<KvStore.KvStore, E>,
  { leastTtl = 200 }: Pick<KvAbilities, "leastTtl"> = {}
): void => {
  const law = kvPatternLawOf(layer)

  describe(`${name} keeps the laws of Once`, () => {
    law(
      "many call and one runs; all get its result, also those who come later",
      ({ elsewhere, name: key }) =>
        Effect.gen(function*() {
          let runs = 0
          const once = Once.run({ key, success: Schema.BigInt })(
            Effect.sync(() => BigInt(++runs)).pipe(Effect.delay("20 millis"))
          )
          const calls = Array.from({ length: 20 }, (_, n) => n % 2 === 0 ? once : elsewhere(once))
          const told = yield* inTime("all are told", Effect.all(calls, { concurrency: "unbounded" }))
          assert.deepStrictEqual(told, told.map(() => 1n))
          assert.deepStrictEqual([yield* elsewhere(once), runs], [1n, 1])
        })
    )

    law(
      "a failure is told to those who wait for that run, and not kept",
      ({ elsewhere, name: key }) =>
        Effect.gen(function*() {
          const stage = yield* makeRun({ key, success: Schema.Int, error: Schema.Struct({ why: Schema.Date }) })
          const first = yield* Effect.forkScoped(Effect.flip(stage.once))
          yield* stage.begun(1)
          const { seen, watching } = yield* watches
          const waits = [watching(stage.once), elsewhere(watching(stage.once))].map((call) => Effect.flip(call))
          const waiting = yield* Effect.forkScoped(Effect.all(waits, { concurrency: "unbounded" }))
          yield* seen(2)
          yield* stage.end(1, Exit.fail({ why: new Date(7) }))
          const told = [yield* Fiber.join(first), ...(yield* Fiber.join(waiting))]
          assert.deepStrictEqual(told, told.map(() => ({ why: new Date(7) })))
          const next = yield* Effect.forkScoped(stage.once)
          yield* stage.begun(2)
          yield* stage.end(2, Exit.succeed(2))
          assert.strictEqual(yield* Fiber.join(next), 2)
        })
    )

    for (const [title, how] of [["interrupted", Fiber.interrupt], ["stopped by a defect", undefined]] as const) {
      law(
        `where the runner is ${title} one who waits runs anew, with a higher token`,
        ({ elsewhere, name: key }) =>
          Effect.gen(function*() {
            const stage = yield* makeRun({ key, success: Schema.Int })
            const first = yield* Effect.forkScoped(Effect.exit(stage.once))
            yield* stage.begun(1)
            const { seen, watching } = yield* watches
            const calls = [watching(stage.once), elsewhere(watching(stage.once))]
            const waiting = yield* Effect.forkScoped(Effect.all(calls, { concurrency: 2 }))
            yield* seen(2)
            yield* how === undefined ? stage.end(1, Exit.die("bug")) : how(first)
            yield* stage.begun(2)
            yield* stage.end(2, Exit.succeed(2))
            assert.deepStrictEqual(yield* inTime("those who wait are told", Fiber.join(waiting)), [2, 2])
            const [one, other] = stage.tokens
            assert.isTrue(one !== undefined && other !== undefined && one < other)
            assert.strictEqual(stage.tokens.length, 2)
          })
      )
    }

    law(
      "where the runner dies one who waits runs anew, with a higher token",
      ({ elsewhere, mortal, name: key }) =>
        Effect.gen(function*() {
          const stage = yield* makeRun({ key, success: Schema.Int, ttl: leastTtl })
          const { die, on } = yield* mortal
          const dead = yield* Effect.forkScoped(on(stage.once))
          yield* stage.begun(1)
          const waiting = yield* Effect.forkScoped(Effect.all([stage.once, elsewhere(stage.once)], { concurrency: 2 }))
          yield* die
          yield* stage.begun(2)
          yield* stage.end(2, Exit.succeed(2))
          assert.deepStrictEqual(yield* inTime("those who wait are told", Fiber.join(waiting)), [2, 2])
          const [one, other] = stage.tokens
          assert.isTrue(one !== undefined && other !== undefined && one < other)
          yield* Fiber.interrupt(dead)
        })
    )

    law(
      "a runner that was given up for dead is refused, and told so",
      ({ elsewhere, name: key }) =>
        Effect.gen(function*() {
          const store = yield* KvStore.KvStore
          const stage = yield* makeRun({ key, success: Schema.Int })
          const zombie = yield* Effect.forkScoped(Effect.flip(stage.once))
          yield* stage.begun(1)
          // What the end of its lease does, while it does not notice.
          yield* store.delete(placeOf(key))
          const other = yield* Effect.forkScoped(elsewhere(stage.once))
          yield* stage.begun(2)
          yield* stage.end(1, Exit.succeed(1))
          const error = yield* inTime("the zombie is told", Fiber.join(zombie))
          assert.deepStrictEqual([error._tag, error._tag === "LeaseLost" && error.token], [
            "LeaseLost",
            stage.tokens[0]
          ])
          yield* stage.end(2, Exit.succeed(2))
          assert.deepStrictEqual([yield* Fiber.join(other), yield* stage.once], [2, 2])
        })
    )

    law(
      "another input for a key is a conflict, while it runs and when it is done",
      ({ elsewhere, name: key }) =>
        Effect.gen(function*() {
          const stage = yield* makeRun({ key, success: Schema.Int, input: "a" })
          const other = (input?: string) =>
            Effect.flip(Once.run({ key, success: Schema.Int, input })(Effect.succeed(0)))
          const first = yield* Effect.forkScoped(stage.once)
          yield* stage.begun(1)
          assert.deepInclude(yield* other("b"), { _tag: "OnceConflict", key, input: "b", actual: "a" })
          yield* stage.end(1, Exit.succeed(1))
          assert.strictEqual(yield* Fiber.join(first), 1)
          assert.deepInclude(yield* elsewhere(other()), { _tag: "OnceConflict", key, input: "", actual: "a" })
          assert.strictEqual(yield* stage.once, 1)
        })
    )

    law("nobody waits for longer than it wants to", ({ elsewhere, name: key }) =>
      Effect.gen(function*() {
        const stage = yield* makeRun({ key, success: Schema.Int })
        const first = yield* Effect.forkScoped(stage.once)
        yield* stage.begun(1)
        for (const waitFor of [0, 20]) {
          const hasty = elsewhere(Once.run({ key, success: Schema.Int, waitFor })(Effect.succeed(0)))
          assert.strictEqual((yield* inTime("it gives up", Effect.flip(hasty)))._tag, "LeaseTimeout")
        }
        yield* stage.end(1, Exit.succeed(1))
        assert.strictEqual(yield* Fiber.join(first), 1)
      }))

    law("a result is kept for its retention, and then it runs anew", ({ name: key }) =>
      Effect.gen(function*() {
        let runs = 0
        const once = Once.run({ key, success: Schema.Int, retention: leastTtl })(Effect.sync(() => ++runs))
        assert.strictEqual(yield* once, 1)
        yield* gone(yield* KvStore.KvStore, placeOf(key))
        assert.strictEqual(yield* once, 2)
      }))

    law(
      "a result that cannot be decoded is told with its bytes, and nothing is run",
      ({ name: key }) =>
        Effect.gen(function*() {
          const store = yield* KvStore.KvStore
          yield* Once.run({ key, success: Schema.String, retention: Infinity })(Effect.succeed("text"))
          const numbers = Once.run({ key, success: Schema.Int })(Effect.die("it ran"))
          const undecodable = yield* Effect.flip(numbers)
          assert.deepInclude(undecodable, { _tag: "Undecodable", key })
          yield* store.put(placeOf(key), Uint8Array.of(1, 2, 3))
          const garbage = yield* Effect.flip(numbers)
          assert.deepStrictEqual(garbage._tag === "Undecodable" && Array.from(garbage.bytes), [1, 2, 3])
        })
    )

    law("what means nothing is refused", ({ name: key }) =>
      Effect.gen(function*() {
        const wrong = { key: "", input: "x".repeat(65_537), retention: 0, ttl: NaN, waitFor: -1 }
        for (const [field, value] of Object.entries(wrong)) {
          const call = Once.run({ key, success: Schema.Int, [field]: value })(Effect.die("it ran"))
          assert.deepInclude(yield* Effect.flip(call), { _tag: "InvalidKey", field })
        }
      }))
  })
}

const placeOf = (key: string): string => `heddle/once/${key}`

/** A call whose runs end when they are told to, and how far each of them is. */
const makeRun = <A, E = never>(options: Once.Options<A, E>) =>
  Effect.sync(() => {
    const tokens: Array<bigint> = []
    const ends = new Map<number, Deferred.Deferred<A, E>>()
    const endOf = (run: number) => {
      const found = ends.get(run) ?? Deferred.makeUnsafe<A, E>()
      ends.set(run, found)
      return found
    }
    return {
      /** The tokens of the runs that have begun. */
      tokens,
      once: Once.run(options)(({ token }) => Effect.suspend(() => Deferred.await(endOf(tokens.push(token))))),
      begun: (run: number) => eventually(`run ${run} has begun`, Effect.sync(() => tokens.length >= run)),
      end: (run: number, exit: Exit.Exit<A, E>) => Deferred.done(endOf(run), exit)
    }
  })
