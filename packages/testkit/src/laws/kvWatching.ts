import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { KvAbilities } from "../KvStoreLaws.ts"
import { bytes, first, type Kv, type KvLaw } from "./kvStage.ts"
import { inTime } from "./Stage.ts"

/** Writes until the server has answered that it did. */
const insist = (store: Kv, key: string, value: string): Effect.Effect<unknown> =>
  store.put(key, bytes(value)).pipe(Effect.catch(() => insist(store, key, value)))

export const kvWatchingLaws = (law: KvLaw, { compact, cut, restart, shared }: KvAbilities): void => {
  law(
    "a watch tells every revision from the one asked for, once and in order",
    ({ prefix, store }) =>
      Effect.gen(function*() {
        const from = yield* store.put(`${prefix}0`, bytes("0"))
        for (let n = 1; n < 10; n++) yield* store.put(`${prefix}${n % 3}`, bytes(`${n}`))
        yield* store.delete(`${prefix}1`)
        const watching = yield* Effect.forkScoped(first(prefix, 30, store.watchPrefix(prefix, { from })))
        for (let n = 10; n < 29; n++) yield* store.put(`${prefix}${n % 3}`, bytes(`${n}`))
        const puts = Array.from({ length: 29 }, (_, n) => `${n % 3}=${n}`)
        assert.deepStrictEqual(yield* Fiber.join(watching), [...puts.slice(0, 10), "-1", ...puts.slice(10)])
      })
  )

  law(
    "a watch of a key tells nothing of others, not even of those that begin with it",
    ({ prefix, store }) =>
      Effect.gen(function*() {
        const from = yield* store.put(`${prefix}a`, bytes("1"))
        yield* store.put(`${prefix}ab`, bytes("2"))
        yield* store.put(`${prefix}b`, bytes("3"))
        yield* store.delete(`${prefix}a`)
        assert.deepStrictEqual(yield* first(prefix, 2, store.watch(`${prefix}a`, { from })), ["a=1", "-a"])
        assert.deepStrictEqual(yield* first(prefix, 3, store.watchPrefix(`${prefix}a`, { from })), [
          "a=1",
          "ab=2",
          "-a"
        ])
      })
  )

  law(
    "a range and the watch from the revision after it miss nothing between them",
    ({ prefix, store }) =>
      Effect.gen(function*() {
        const writer = yield* Effect.forkScoped(
          Effect.forEach(Array.from({ length: 60 }, (_, n) => n), (n) => store.put(`${prefix}n`, bytes(`${n}`)))
        )
        for (let round = 0; round < 5; round++) {
          const { entries, revision } = yield* store.range(prefix)
          const known = Number(new TextDecoder().decode(entries[0]?.value ?? bytes("-1")))
          if (known >= 59) break
          const next = yield* first(prefix, 1, store.watchPrefix(prefix, { from: revision + 1n }))
          assert.deepStrictEqual(next, [`n=${known + 1}`])
        }
        yield* Fiber.join(writer)
      })
  )

  law("what a transaction changes is told together", ({ prefix, store, transact }) =>
    Effect.gen(function*() {
      const from = yield* transact({
        writes: [
          { _tag: "Put", key: `${prefix}b`, value: bytes("1") },
          { _tag: "Put", key: `${prefix}a`, value: bytes("2") }
        ]
      })
      const seen = yield* inTime(
        "the transaction is seen",
        Stream.runCollect(Stream.take(store.watchPrefix(prefix, { from }), 1))
      )
      assert.deepStrictEqual(seen.map(({ changes, revision }) => [changes.length, revision]), [[2, from]])
    }))

  law("a slow reader gets everything", ({ prefix, store }) =>
    Effect.gen(function*() {
      const from = yield* store.put(`${prefix}n`, bytes("0"))
      const watching = store.watchPrefix(prefix, { from }).pipe(
        Stream.mapEffect((changed) => Effect.as(Effect.yieldNow, changed))
      )
      const reader = yield* Effect.forkScoped(first(prefix, 300, watching))
      yield* Effect.forEach(
        Array.from({ length: 299 }, (_, n) => n + 1),
        (n) => store.put(`${prefix}n`, bytes(`${n}`)),
        {
          concurrency: 1
        }
      )
      assert.deepStrictEqual(yield* Fiber.join(reader), Array.from({ length: 300 }, (_, n) => `n=${n}`))
    }))

  if (shared !== undefined) {
    law("a watch tells what other stores write", ({ another, prefix, store }) =>
      Effect.gen(function*() {
        const other = yield* another
        const from = yield* other.put(`${prefix}a`, bytes("1"))
        const watching = yield* Effect.forkScoped(first(prefix, 3, store.watchPrefix(prefix, { from })))
        yield* other.put(`${prefix}a`, bytes("2"))
        yield* store.put(`${prefix}a`, bytes("3"))
        assert.deepStrictEqual(yield* Fiber.join(watching), ["a=1", "a=2", "a=3"])
      }))
  }

  if (compact !== undefined) {
    law(
      "changes that are no longer kept are refused, never passed over",
      ({ prefix, store }) =>
        Effect.gen(function*() {
          const from = yield* store.put(`${prefix}a`, bytes("1"))
          for (let n = 2; n < 6; n++) yield* store.put(`${prefix}a`, bytes(`${n}`))
          yield* compact
          const error = yield* Effect.flip(first(prefix, 1, store.watchPrefix(prefix, { from })))
          if (error._tag !== "Compacted") return assert.fail(`not compacted but ${String(error)}`)
          assert.strictEqual(error.requested, from)
          assert.isTrue(error.oldest > from)
          const next = yield* store.put(`${prefix}a`, bytes("6"))
          assert.deepStrictEqual(yield* first(prefix, 1, store.watchPrefix(prefix, { from: next })), ["a=6"])
        })
    )
  }

  if (cut !== undefined) {
    law(
      "a watch that lost its server goes on where it was, once and in order",
      ({ prefix, store }) =>
        Effect.gen(function*() {
          const from = yield* store.put(`${prefix}n`, bytes("0"))
          const watching = yield* Effect.forkScoped(first(prefix, 12, store.watchPrefix(prefix, { from })))
          const write = (n: number) => insist(store, `${prefix}n`, `${n}`)
          for (const n of [1, 2, 3]) yield* write(n)
          yield* Effect.scoped(Effect.andThen(cut, Effect.exit(store.get(`${prefix}n`))))
          for (let n = 4; n < 12; n++) yield* write(n)
          const seen = yield* inTime("the watch goes on", Fiber.join(watching))
          // A write whose answer was lost is made again: the same value twice is two commits.
          assert.deepStrictEqual([...new Set(seen)], seen.filter((one, at) => one !== seen[at - 1]))
          const numbers = [...new Set(seen)]
          assert.deepStrictEqual(numbers, numbers.map((_, n) => `n=${n}`))
        })
    )
  }

  if (restart !== undefined) {
    law(
      "what was committed is there after the server was killed, and the watch goes on",
      ({ prefix, store }) =>
        Effect.gen(function*() {
          const from = yield* store.put(`${prefix}n`, bytes("0"))
          const watching = yield* Effect.forkScoped(first(prefix, 2, store.watchPrefix(prefix, { from })))
          yield* restart
          const write = insist(store, `${prefix}m`, "1")
          yield* inTime("the server answers again", write)
          assert.deepStrictEqual(yield* inTime("the watch goes on", Fiber.join(watching)), ["n=0", "m=1"])
          assert.strictEqual((yield* store.range(prefix)).entries.length, 2)
        })
    )
  }
}
