import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { bytes, type KvLaw } from "./kvStage.ts"

const badKeys = ["", "\uD83D", "x".repeat(1025)]

export const kvInputLaws = (law: KvLaw): void => {
  law(
    "a key that means nothing is refused, and one of 1,024 characters is not",
    ({ prefix, store }) =>
      Effect.gen(function*() {
        for (const key of badKeys) {
          const refusals = [
            yield* Effect.flip(store.get(key)),
            yield* Effect.flip(store.put(key, bytes("1"))),
            yield* Effect.flip(store.delete(key)),
            yield* Effect.flip(store.compareAndSet(key, 0n, bytes("1"))),
            yield* Effect.flip(store.compareAndDelete(key, 1n)),
            yield* Effect.flip(Stream.runDrain(store.watch(key)))
          ]
          for (const refusal of refusals) assert.deepInclude(refusal, { _tag: "InvalidKey", field: "key" })
        }
        const long = prefix.padEnd(1024, "\u00e9")
        yield* store.put(long, bytes("long"))
        assert.strictEqual((yield* store.range(prefix)).entries[0]?.key, long)
      })
  )

  law("a value, ttl, limit or revision that means nothing is refused", ({ prefix, store }) =>
    Effect.gen(function*() {
      const key = `${prefix}key`
      const field = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.map(Effect.flip(effect), (error) =>
          typeof error === "object" && error !== null && "field" in error ? error.field : String(error))
      assert.strictEqual(yield* field(store.put(key, new Uint8Array(1_048_577))), "value")
      for (const ttl of [0, -1, NaN, Infinity]) {
        assert.strictEqual(yield* field(store.put(key, bytes("1"), { ttl })), "ttl")
        assert.strictEqual(yield* field(store.lease({ ttl })), "ttl")
      }
      for (const limit of [0, -1, 1.5, NaN, 10_001]) {
        assert.strictEqual(yield* field(store.range(prefix, { limit })), "limit")
      }
      assert.strictEqual(yield* field(store.compareAndSet(key, -1n, bytes("1"))), "revision")
      assert.strictEqual(yield* field(Stream.runDrain(store.watch(key, { from: -1n }))), "from")
      const lease = yield* store.lease()
      assert.strictEqual(yield* field(store.put(key, bytes("1"), { lease, ttl: "1 minute" })), "ttl")
      assert.strictEqual((yield* store.range(prefix)).entries.length, 0)
    }))

  law("a transaction that means nothing is refused", ({ prefix, transact }) =>
    Effect.gen(function*() {
      const put = (name: string) => ({ _tag: "Put" as const, key: `${prefix}${name}`, value: bytes("1") })
      const many = Array.from({ length: 101 }, (_, n) => put(`${n}`))
      for (const writes of [[], [put("a"), put("a")], many]) {
        assert.deepInclude(yield* Effect.flip(transact({ writes })), { _tag: "InvalidKey", field: "writes" })
      }
      yield* transact({ writes: many.slice(0, 100) })
    }))
}
