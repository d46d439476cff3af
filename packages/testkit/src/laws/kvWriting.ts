import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { KvMachine } from "heddle/coordination"
import { bytes, type Kv, type KvLaw, text, textAt } from "./kvStage.ts"

export const kvWritingLaws = (law: KvLaw): void => {
  law("what is put is what is got, byte for byte", ({ prefix, store }) =>
    Effect.gen(function*() {
      assert.isTrue(Option.isNone(yield* store.get(`${prefix}absent`)))
      const values = [
        new Uint8Array(),
        Uint8Array.from({ length: 256 }, (_, n) => n),
        new Uint8Array(1_048_576).fill(7)
      ]
      for (const value of values) {
        const revision = yield* store.put(`${prefix}key`, value)
        const entry = yield* Effect.flatMap(store.get(`${prefix}key`), Effect.fromOption)
        assert.strictEqual(entry.revision, revision)
        assert.strictEqual(Buffer.compare(entry.value, value), 0)
      }
    }))

  law(
    "each commit has a revision above every earlier one, and a key knows which made it",
    ({ prefix, store }) =>
      Effect.gen(function*() {
        const a = `${prefix}a`
        const one = yield* store.put(a, bytes("1"))
        const two = yield* store.put(`${prefix}b`, bytes("1"))
        const three = yield* store.put(a, bytes("2"))
        assert.isTrue(one < two && two < three)
        const entry = yield* Effect.flatMap(store.get(a), Effect.fromOption)
        assert.deepStrictEqual([entry.created, entry.revision], [one, three])
        yield* store.delete(a)
        const again = yield* store.put(a, bytes("3"))
        const anew = yield* Effect.flatMap(store.get(a), Effect.fromOption)
        assert.deepStrictEqual([anew.created, anew.revision], [again, again])
      })
  )

  law("a deletion tells whether there was something to delete", ({ prefix, store }) =>
    Effect.gen(function*() {
      const key = `${prefix}key`
      assert.isFalse(yield* store.delete(key))
      yield* store.put(key, bytes("1"))
      assert.isTrue(yield* store.delete(key))
      assert.isTrue(Option.isNone(yield* store.get(key)))
    }))

  law(
    "a conditional write is made only while nobody has changed the key",
    ({ prefix, store }) =>
      Effect.gen(function*() {
        const key = `${prefix}key`
        const made = yield* store.compareAndSet(key, 0n, bytes("1"))
        const twice = yield* Effect.flip(store.compareAndSet(key, 0n, bytes("2")))
        assert.deepInclude(twice, { _tag: "Conflict", key, expected: 0n, actual: made })
        const changed = yield* store.compareAndSet(key, made, bytes("3"))
        assert.deepInclude(yield* Effect.flip(store.compareAndDelete(key, made)), { _tag: "Conflict", actual: changed })
        assert.strictEqual(yield* textAt(store, key), "3")
        yield* store.compareAndDelete(key, changed)
        assert.deepInclude(yield* Effect.flip(store.compareAndSet(key, changed, bytes("4"))), {
          _tag: "Conflict",
          actual: 0n
        })
      })
  )

  law("of many conditional writes on one revision exactly one is made", ({ prefix, store }) =>
    Effect.gen(function*() {
      const key = `${prefix}key`
      const start = yield* store.put(key, bytes("start"))
      const tries = Array.from({ length: 30 }, (_, n) => Effect.result(store.compareAndSet(key, start, bytes(`${n}`))))
      const results = yield* Effect.all(tries, { concurrency: "unbounded" })
      const won = results.flatMap((result, n) => result._tag === "Success" ? [`${n}`] : [])
      assert.deepStrictEqual([won.length, yield* textAt(store, key)], [1, won[0]])
    }))

  law("no increment is lost among writers that retry", ({ another, prefix, store }) =>
    Effect.gen(function*() {
      const key = `${prefix}count`
      const other = yield* another
      const shared = Option.isSome(yield* Effect.andThen(store.put(key, bytes("0")), other.get(key)))
      const increment = (on: Kv): Effect.Effect<unknown, unknown> =>
        Effect.gen(function*() {
          const entry = yield* Effect.flatMap(on.get(key), Effect.fromOption)
          yield* on.compareAndSet(key, entry.revision, bytes(`${Number(text(entry.value)) + 1}`))
        }).pipe(Effect.catchTag("Conflict", () => increment(on)))
      const writers = Array.from({ length: 8 }, (_, n) => increment(n % 2 === 0 || !shared ? store : other))
      yield* Effect.all(writers.map((writer) => Effect.repeat(writer, { times: 4 })), { concurrency: "unbounded" })
      assert.strictEqual(yield* textAt(store, key), "40")
    }))

  law(
    "a range has the keys of its prefix in the order of their bytes, page by page",
    ({ prefix, store }) =>
      Effect.gen(function*() {
        const names = ["a", "b/1", "b/2", "b", "ä", "{c}", "%", " ", "\u{1F600}", "\uFFFD", "*?[x]", "\u0000nul", "Z"]
        for (const name of names) yield* store.put(`${prefix}${name}`, bytes(name))
        yield* store.put(`${prefix.slice(0, -1)}0`, bytes("a neighbour"))
        const sorted = [...names].sort(KvMachine.compareKeys)
        const all = yield* store.range(prefix)
        const nameOf = (entry: { readonly key: string }) => entry.key.slice(prefix.length)
        assert.deepStrictEqual([all.entries.map(nameOf), all.more], [sorted, false])
        assert.deepStrictEqual(all.entries.map(({ value }) => text(value)), sorted)
        const pages: Array<string> = []
        for (let after: string | undefined, more = true; more;) {
          const page = yield* store.range(prefix, { limit: 4, after })
          pages.push(...page.entries.map(nameOf))
          after = page.entries.at(-1)?.key
          more = page.more
        }
        assert.deepStrictEqual(pages, sorted)
        assert.deepStrictEqual((yield* store.range(`${prefix}b/`)).entries.map(nameOf), ["b/1", "b/2"])
      })
  )

  law(
    "a transaction makes all of its writes at one revision, or none",
    ({ prefix, store, transact }) =>
      Effect.gen(function*() {
        const [a, b, c] = [`${prefix}a`, `${prefix}b`, `${prefix}c`]
        const made = yield* store.put(a, bytes("1"))
        const revision = yield* transact({
          checks: [{ key: a, revision: made }, { key: b, revision: 0n }],
          writes: [
            { _tag: "Put", key: b, value: bytes("2") },
            { _tag: "Put", key: c, value: bytes("3") },
            { _tag: "Delete", key: a }
          ]
        })
        const { entries } = yield* store.range(prefix)
        assert.deepStrictEqual(entries.map((entry) => [entry.key, entry.revision]), [[b, revision], [c, revision]])
        const refused = yield* Effect.flip(transact({
          checks: [{ key: b, revision }, { key: c, revision: made }],
          writes: [{ _tag: "Put", key: a, value: bytes("4") }, { _tag: "Delete", key: b }]
        }))
        assert.deepInclude(refused, { _tag: "Conflict", key: c, expected: made, actual: revision })
        assert.deepStrictEqual((yield* store.range(prefix)).entries.length, 2)
      })
  )
}
