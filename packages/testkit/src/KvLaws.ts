/**
 * What `Kv` promises on every backend, each promise one test.
 *
 * @since 0.1.0
 */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Kv, KvStore } from "heddle/coordination"
import type { KvAbilities } from "./KvStoreLaws.ts"
import { kvPatternLawOf } from "./laws/kvPatternStage.ts"
import { inTime } from "./laws/Stage.ts"

/**
 * Registers the laws of `Kv` as one suite. Stores that are built from the layer one after another must see the same keys.
 *
 * @category laws
 * @since 0.1.0
 */
export const kvLaws = <E>(
  name: string,
  layer: Layer.Layer<KvStore.KvStore, E>,
  { compact }: Pick<KvAbilities, "compact"> = {}
): void => {
  const law = kvPatternLawOf(layer)
  const numbers = (namespace: string) => Kv.make({ namespace, schema: Schema.Int })

  describe(`${name} keeps the laws of Kv`, () => {
    law("what is put is got as what it was", ({ name: namespace }) =>
      Effect.gen(function*() {
        const kv = Kv.make({
          namespace,
          schema: Schema.Struct({ at: Schema.Date, big: Schema.BigInt, tags: Schema.Option(Schema.String) })
        })
        const value = { at: new Date(1), big: 2n ** 70n, tags: Option.some("ä\u{1F600}") }
        assert.isTrue(Option.isNone(yield* kv.get("key")))
        const revision = yield* kv.put("key", value)
        const entry = { key: "key", value, revision, created: revision }
        assert.deepStrictEqual(yield* kv.get("key"), Option.some(entry))
        const page = yield* kv.entries()
        assert.deepStrictEqual([page.entries, page.undecodable, page.next], [[entry], [], undefined])
        assert.deepStrictEqual([yield* kv.delete("key"), yield* kv.delete("key")], [true, false])
      }))

    law(
      "namespaces are apart, also where one name begins with the other",
      ({ name: namespace }) =>
        Effect.gen(function*() {
          const [one, other] = [numbers(namespace), numbers(`${namespace}s`)]
          yield* one.put("a/b", 1)
          yield* other.put("a/b", 2)
          assert.deepStrictEqual((yield* one.entries()).entries.map(({ key, value }) => [key, value]), [["a/b", 1]])
          assert.isTrue(yield* other.delete("a/b"))
          assert.isTrue(Option.isSome(yield* one.get("a/b")))
        })
    )

    law("entries come page by page, in order", ({ name: namespace }) =>
      Effect.gen(function*() {
        const kv = numbers(namespace)
        for (const n of [3, 1, 2, 5, 4]) yield* kv.put(`${n}`, n)
        const seen: Array<number> = []
        for (let after: string | undefined, more = true; more;) {
          const page = yield* kv.entries({ limit: 2, after })
          seen.push(...page.entries.map(({ value }) => value))
          after = page.next
          more = after !== undefined
        }
        assert.deepStrictEqual(seen, [1, 2, 3, 4, 5])
      }))

    law(
      "AC-40.3 what cannot be decoded is told with its bytes, and ends neither a reading nor a stream",
      (stage) =>
        Effect.gen(function*() {
          const kv = numbers(stage.name)
          const store = yield* KvStore.KvStore
          const bad = { text: "\"no number\"", json: "{", bytes: undefined }
          const bytesOf = (text: string | undefined) =>
            text === undefined ? Uint8Array.of(0x22, 0xff, 0x22) : new TextEncoder().encode(text)
          yield* kv.put("good", 1)
          for (const [key, text] of Object.entries(bad)) {
            const revision = yield* store.put(`${stage.name}/${key}`, bytesOf(text))
            const error = yield* Effect.flip(kv.get(key))
            assert.deepInclude(error, { _tag: "Undecodable", key, revision })
            assert.deepStrictEqual(error._tag === "Undecodable" && Array.from(error.bytes), Array.from(bytesOf(text)))
            assert.strictEqual((yield* Effect.flip(kv.modify(key, () => Effect.never)))._tag, "Undecodable")
          }
          const texts = Kv.make({ namespace: stage.name, schema: Schema.String })
          assert.strictEqual((yield* Effect.flip(texts.get("bytes")))._tag, "Undecodable")
          const { entries, undecodable } = yield* kv.entries()
          assert.deepStrictEqual(entries.map(({ key }) => key), ["good"])
          assert.deepStrictEqual(undecodable.map(({ key }) => key), ["bytes", "json", "text"])
          const watching = yield* Effect.forkScoped(
            inTime("three changes are told", Stream.runCollect(Stream.take(kv.changes, 3))),
            { startImmediately: true }
          )
          yield* inTime(
            "the stream goes on",
            Effect.raceFirst(Fiber.await(watching), Effect.forever(store.put(`${stage.name}/text`, bytesOf("{"))))
          )
          const [first, ...rest] = yield* Fiber.join(watching)
          assert.deepInclude(first, { _tag: "Snapshot", missed: false })
          assert.deepStrictEqual(rest.map(({ _tag }) => _tag), ["Undecodable", "Undecodable"])
        })
    )

    law(
      "a conditional write is made only while nobody has changed the key",
      ({ name: namespace }) =>
        Effect.gen(function*() {
          const kv = numbers(namespace)
          const made = yield* kv.compareAndSet("key", 0n, 1)
          assert.deepInclude(yield* Effect.flip(kv.compareAndSet("key", 0n, 2)), { _tag: "Conflict", actual: made })
          yield* kv.compareAndSet("key", made, 3)
          assert.strictEqual(Option.getOrThrow(yield* kv.get("key")).value, 3)
        })
    )

    law(
      "no change is lost among many who modify a key at once",
      ({ elsewhere, name: namespace }) =>
        Effect.gen(function*() {
          const kv = numbers(namespace)
          const increment = kv.modify("count", (count) => {
            const next = Option.getOrElse(count, () => 0) + 1
            return Effect.succeed([next, Option.some(next)])
          })
          const five = Effect.forEach([1, 2, 3, 4, 5], () => increment)
          const many = yield* inTime(
            "all have counted",
            Effect.all([five, elsewhere(five), five, elsewhere(five)], { concurrency: "unbounded" })
          )
          const sorted = many.flat().sort((one, other) => one - other)
          assert.deepStrictEqual(sorted, Array.from({ length: 20 }, (_, n) => n + 1))
        })
    )

    law("a modification deletes, or leaves alone without a write", ({ name: namespace }) =>
      Effect.gen(function*() {
        const kv = numbers(namespace)
        const revision = yield* kv.put("key", 1)
        assert.strictEqual(yield* kv.modify("key", (now) => Effect.succeed(["same", now])), "same")
        assert.strictEqual(Option.getOrThrow(yield* kv.get("key")).revision, revision)
        assert.strictEqual(yield* Effect.flip(kv.modify("key", () => Effect.fail("no"))), "no")
        yield* kv.modify("key", () => Effect.succeed([undefined, Option.none()]))
        assert.isTrue(Option.isNone(yield* kv.get("key")))
        yield* kv.modify("key", (now) => Effect.succeed([undefined, now]))
        assert.isTrue(Option.isNone(yield* kv.get("key")))
      }))

    law(
      "AC-40.2 of many proposals one is decided, and all learn which",
      ({ elsewhere, name: namespace }) =>
        Effect.gen(function*() {
          const kv = numbers(namespace)
          const proposals = Array.from(
            { length: 20 },
            (_, n) => n % 2 === 0 ? kv.propose("leader", n) : elsewhere(kv.propose("leader", n))
          )
          const told = yield* inTime("all are told", Effect.all(proposals, { concurrency: "unbounded" }))
          const decided = Option.getOrThrow(yield* kv.get("leader"))
          assert.deepStrictEqual(told, told.map(() => decided))
        })
    )

    law("changes begin with what is there, and tell each change once and in order", (stage) =>
      Effect.gen(function*() {
        const kv = numbers(stage.name)
        yield* kv.put("gone", 0)
        yield* kv.put("n", 0)
        const writer = yield* Effect.forkScoped(stage.elsewhere(Effect.gen(function*() {
          for (let n = 1; n <= 60; n++) yield* kv.put("n", n)
          yield* kv.delete("gone")
        })))
        for (let round = 0; round < 3; round++) {
          const all = yield* inTime(
            "the deletion is told",
            Stream.runCollect(Stream.takeUntil(kv.changes, (change) =>
              change._tag === "Delete" ||
              (change._tag === "Snapshot" && change.entries.length === 1)))
          )
          const seen = all.flatMap((change) =>
            change._tag === "Put"
              ? [change.entry.value]
              : change._tag === "Snapshot"
              ? change.entries.flatMap(({ key, value }) => key === "n" ? [value] : [])
              : []
          )
          const start = seen[0] ?? 0
          assert.deepStrictEqual(seen, Array.from({ length: 61 - start }, (_, n) => start + n))
        }
        yield* Fiber.join(writer)
      }))

    law("a watch tells of its key alone, also of its end", ({ name: namespace }) =>
      Effect.gen(function*() {
        const kv = numbers(namespace)
        yield* kv.put("a/b", 1)
        const watching = yield* Effect.forkScoped(
          Stream.runForEachWhile(kv.watch("a"), (change) => Effect.succeed(change._tag !== "Delete")),
          { startImmediately: true }
        )
        const seen = yield* Effect.forkScoped(
          inTime("four changes are told", Stream.runCollect(Stream.take(kv.watch("a"), 4))),
          { startImmediately: true }
        )
        yield* inTime(
          "the key is seen to go",
          Effect.raceFirst(
            Fiber.await(seen),
            Effect.forever(Effect.all([kv.put("a/b", 2), kv.put("a", 3), kv.delete("a")]))
          )
        )
        const [first, ...rest] = yield* Fiber.join(seen)
        if (first?._tag !== "Snapshot") return assert.fail("no snapshot came first")
        assert.isFalse(first.entries.some(({ key }) => key !== "a"))
        for (const change of rest) {
          assert.strictEqual(change._tag === "Put" ? change.entry.key : change._tag === "Delete" && change.key, "a")
        }
        yield* inTime("the other watch ends too", Fiber.join(watching))
      }))

    law("what means nothing is refused", ({ name: namespace }) =>
      Effect.gen(function*() {
        const field = <A, E2, R>(effect: Effect.Effect<A, E2, R>) =>
          Effect.map(Effect.flip(effect), (error) =>
            typeof error === "object" && error !== null && "field" in error ? error.field : String(error))
        for (const wrong of ["", "a/b", "heddle", "x".repeat(201), "\uD83D"]) {
          assert.strictEqual(yield* field(numbers(wrong).get("key")), "namespace")
        }
        const kv = numbers(namespace)
        for (const wrong of ["", "x".repeat(801), "\uD83D"]) {
          assert.strictEqual(yield* field(kv.put(wrong, 1)), "key")
          assert.strictEqual(yield* field(Stream.runDrain(kv.watch(wrong))), "key")
        }
        assert.strictEqual(yield* field(kv.put("key", 1.5)), "value")
        assert.strictEqual(yield* field(kv.propose("key", 1.5)), "value")
      }))

    if (compact !== undefined) {
      law(
        "where changes are gone it says so, and tells again what is there",
        ({ name: namespace }) =>
          Effect.gen(function*() {
            const kv = numbers(namespace)
            yield* kv.put("a", 1)
            const pull = yield* Stream.toPull(Stream.rechunk(kv.changes, 1))
            assert.deepInclude((yield* pull)[0], { _tag: "Snapshot", missed: false })
            for (let n = 2; n < 6; n++) yield* kv.put("a", n)
            yield* compact
            const again = (yield* inTime("it is told", pull))[0]
            if (again._tag !== "Snapshot") return assert.fail(`no snapshot but ${again._tag}`)
            assert.deepStrictEqual([again.missed, again.entries.map(({ value }) => value)], [true, [5]])
            yield* kv.put("a", 6)
            assert.strictEqual((yield* inTime("it goes on", pull))[0]._tag, "Put")
          })
      )
    }
  })
}
