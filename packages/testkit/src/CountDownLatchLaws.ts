/**
 * What `CountDownLatch` promises on every backend, each promise one test.
 *
 * @since 0.1.0
 */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import { CountDownLatch, KvStore } from "heddle/coordination"
import type { KvAbilities } from "./KvStoreLaws.ts"
import { kvPatternLawOf, watches } from "./laws/kvPatternStage.ts"
import { gone } from "./laws/kvStage.ts"
import { inTime } from "./laws/Stage.ts"

/**
 * Registers the laws of `CountDownLatch` as one suite. Stores that are built from the layer one after another must see the
 * same keys.
 *
 * @category laws
 * @since 0.1.0
 */
export const countDownLatchLaws = <E>(
  name: string,
  layer: Layer.Layer<KvStore.KvStore, E>,
  { leastTtl = 200 }: Pick<KvAbilities, "leastTtl"> = {}
): void => {
  const law = kvPatternLawOf(layer)
  const all = { concurrency: "unbounded" } as const

  describe(`${name} keeps the laws of CountDownLatch`, () => {
    law(
      "it opens for all who wait when all have counted, and not before",
      ({ elsewhere, name: key }) =>
        Effect.gen(function*() {
          const latch = CountDownLatch.make({ key, count: 3 })
          const { seen, watching } = yield* watches
          const waits = [latch.await, elsewhere(watching(latch.await)), watching(latch.await)]
          const waiting = yield* Effect.forkScoped(Effect.all(waits, all))
          yield* seen(2)
          assert.strictEqual(yield* latch.countDown("a"), 2)
          assert.strictEqual(yield* elsewhere(latch.countDown("b")), 1)
          assert.isUndefined(waiting.pollUnsafe())
          assert.strictEqual(yield* latch.countDown("c"), 0)
          yield* inTime("all who wait go on", Fiber.join(waiting))
        })
    )

    law("a party counts once, however often it counts", ({ elsewhere, name: key }) =>
      Effect.gen(function*() {
        const latch = CountDownLatch.make({ key, count: 2 })
        const counts = [latch.countDown("a"), elsewhere(latch.countDown("a")), latch.countDown("a")]
        assert.deepStrictEqual(yield* Effect.all(counts, all), [1, 1, 1])
        assert.strictEqual(yield* latch.countDown("b"), 0)
      }))

    law("no count is lost among many at once", ({ elsewhere, name: key }) =>
      Effect.gen(function*() {
        const latch = CountDownLatch.make({ key, count: 20 })
        const counts = Array.from({ length: 20 }, (_, n) =>
          n % 2 === 0 ? latch.countDown(`${n}`) : elsewhere(latch.countDown(`${n}`)))
        const left = yield* inTime("all have counted", Effect.all(counts, all))
        assert.sameMembers(
          left,
          Array.from({ length: 20 }, (_, n) =>
            n)
        )
        yield* inTime("it is open", latch.await)
      }))

    law("once open it stays open, until it is reset", ({ elsewhere, name: key }) =>
      Effect.gen(function*() {
        const latch = CountDownLatch.make({ key, count: 1, waitFor: 50 })
        assert.isFalse(yield* latch.reset)
        assert.strictEqual(yield* latch.countDown("a"), 0)
        assert.strictEqual(yield* elsewhere(latch.countDown("b")), 0)
        yield* elsewhere(latch.await)
        assert.isTrue(yield* elsewhere(latch.reset))
        assert.strictEqual((yield* inTime("it gives up", Effect.flip(latch.await)))._tag, "LeaseTimeout")
      }))

    law("it is kept for its retention after the last count", ({ name: key }) =>
      Effect.gen(function*() {
        const latch = CountDownLatch.make({ key, count: 2, retention: leastTtl })
        yield* latch.countDown("a")
        yield* gone(yield* KvStore.KvStore, `heddle/latch/${key}`)
        assert.strictEqual(yield* latch.countDown("b"), 1)
      }))

    law("another count is refused", ({ elsewhere, name: key }) =>
      Effect.gen(function*() {
        yield* CountDownLatch.make({ key, count: 2 }).countDown("a")
        const other = CountDownLatch.make({ key, count: 3 })
        const refusals = [
          yield* Effect.flip(elsewhere(other.countDown("b"))),
          yield* Effect.flip(elsewhere(other.await))
        ]
        for (const refused of refusals) {
          assert.deepInclude(refused, { _tag: "CountMismatch", key, count: 3, actual: 2 })
        }
      }))

    law("a state that cannot be decoded is told with its bytes", ({ name: key }) =>
      Effect.gen(function*() {
        const store = yield* KvStore.KvStore
        const latch = CountDownLatch.make({ key, count: 2 })
        const { seen, watching } = yield* watches
        const waiting = yield* Effect.forkScoped(watching(Effect.flip(latch.await)))
        yield* seen(1)
        yield* store.put(`heddle/latch/${key}`, Uint8Array.of(1))
        const told = [
          yield* inTime("it is told", Fiber.join(waiting)),
          yield* Effect.flip(latch.await),
          yield* Effect.flip(latch.countDown("a"))
        ]
        assert.deepStrictEqual(told.map(({ _tag }) => _tag), ["Undecodable", "Undecodable", "Undecodable"])
      }))

    law("what means nothing is refused", ({ name: key }) =>
      Effect.gen(function*() {
        const wrong = { key: "", count: 0, retention: NaN, waitFor: -1 }
        for (const [field, value] of Object.entries(wrong)) {
          const latch = CountDownLatch.make({ key, count: 1, [field]: value })
          const refusals = [
            yield* Effect.flip(latch.countDown("a")),
            yield* Effect.flip(latch.await),
            yield* Effect.flip(latch.reset)
          ]
          for (const refused of refusals) assert.deepInclude(refused, { _tag: "InvalidKey", field })
        }
        const party = yield* Effect.flip(CountDownLatch.make({ key, count: 1 }).countDown(""))
        assert.deepInclude(party, { _tag: "InvalidKey", field: "party" })
      }))
  })
}
