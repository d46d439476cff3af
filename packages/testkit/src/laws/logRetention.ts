import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { LogEntry } from "heddle/messaging"
import { append, eventually, inTime, type LogLaw, numbers, read, type Store, textOf } from "./logStage.ts"

/** How reading from an offset is refused, if it is. */
const refusal = (store: Store, log: string, offset: bigint) =>
  Effect.flatMap(
    store.read(log, { offset }),
    ({ entries }) =>
      Stream.runCollect(Stream.take(entries, 1)).pipe(
        Effect.match({ onSuccess: () => undefined, onFailure: (error) => error })
      )
  )

const gone = (store: Store, log: string, offset: bigint) =>
  Effect.gen(function*() {
    let error: LogEntry.Trimmed | undefined
    yield* eventually(
      "the entry is gone",
      Effect.map(refusal(store, log, offset), (found) => {
        if (found?._tag === "Trimmed") error = found
        return found?._tag === "Trimmed"
      })
    )
    if (error === undefined) return assert.fail("nothing was refused")
    assert.deepInclude(error, { log, requested: offset })
    assert.isTrue(error.oldest > offset)
    return error.oldest
  })

export const logRetentionLaws = (law: LogLaw): void => {
  law(
    "the newest entries are kept, as many as is asked for, and who asks for others is told so",
    ({ log, store }) =>
      Effect.gen(function*() {
        const offsets: Array<bigint> = []
        for (let at = 0; at < 400; at += 20) {
          offsets.push(...yield* append(store, log, numbers(20, at), { count: 30 }))
        }
        const oldest = yield* gone(store, log, offsets[0] ?? 0n)
        const at = offsets.indexOf(oldest)
        assert.isTrue(at > 0 && at <= 370)
        assert.deepStrictEqual(yield* read(store, log, { offset: oldest }, 400 - at), numbers(400 - at, at))
        assert.deepStrictEqual(yield* read(store, log, "oldest", 30), numbers(30, at))
        assert.deepStrictEqual(yield* read(store, log, { time: 0 }, 30), numbers(30, at))
        assert.deepStrictEqual(yield* read(store, log, { last: 30 }, 30), numbers(30, 370))
      })
  )

  law("entries are let go when they are older than is asked for", ({ log, store }) =>
    Effect.gen(function*() {
      const keep = { age: "1 second" } as const
      const [first = 0n] = yield* append(store, log, numbers(300), keep)
      yield* Effect.sleep(1100)
      yield* append(store, log, numbers(200, 300), keep)
      yield* gone(store, log, first)
      assert.deepStrictEqual(yield* read(store, log, { last: 200 }, 200), numbers(200, 300))
    }))

  law(
    "who has a place and reads it late is told where entries behind it are gone that came after, and begins with the first that is kept else",
    ({ log, store }) =>
      Effect.gen(function*() {
        const empty = yield* store.read(log, "oldest")
        const [first = 0n] = yield* append(store, log, numbers(400))
        const kept = yield* store.read(log, "oldest")
        yield* append(store, log, numbers(20, 400), { count: 200 })
        yield* gone(store, log, first)
        const upTo = Stream.takeUntil(kept.entries, (entry) => textOf(entry) === "419")
        const found = Array.from(yield* inTime("the rest is read", Stream.runCollect(upTo)), textOf)
        assert.isTrue(found.length >= 200 && found.length < 420)
        assert.deepStrictEqual(found, numbers(found.length, 420 - found.length))
        const places = yield* Effect.forEach(
          ["oldest", "end", { last: 3 }, { time: 0 }] satisfies ReadonlyArray<LogEntry.From>,
          (from) => store.read(log, from)
        )
        const [after = 0n] = yield* append(store, log, numbers(400, 420), { count: 10 })
        yield* append(store, log, numbers(20, 820), { count: 10 })
        yield* gone(store, log, after)
        for (const { entries } of [...places, empty]) {
          const error = yield* inTime("it is refused", Effect.flip(Stream.runHead(entries)))
          assert.strictEqual(error._tag, "Trimmed")
        }
      })
  )

  law(
    "a reader that is too slow for what is kept is told so, and passes over nothing",
    ({ log, store }) =>
      Effect.gen(function*() {
        yield* append(store, log, ["0"])
        const { entries } = yield* store.read(log, "oldest")
        const seen: Array<string> = []
        const more = Effect.forEach(
          Array.from({ length: 40 }, (_, at) => numbers(100, 1 + at * 100)),
          (some) => append(store, log, some, { count: 10 }),
          { discard: true }
        )
        const reading = Stream.takeUntil(entries, (entry) => textOf(entry) === "4000").pipe(
          Stream.runForEach((entry) => {
            seen.push(textOf(entry))
            return seen.length === 1 ? more : Effect.void
          }),
          Effect.match({ onSuccess: () => "end", onFailure: ({ _tag }) => _tag })
        )
        const found = yield* inTime("it ends or is refused", Effect.flatMap(Effect.forkScoped(reading), Fiber.join))
        assert.deepStrictEqual(seen, numbers(seen.length))
        assert.strictEqual(found, seen.length === 4001 ? "end" : "Trimmed")
      })
  )
}
