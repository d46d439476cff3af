import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { append, inTime, type LogLaw, numbers, read, textOf } from "./logStage.ts"

export const logAppendingLaws = (law: LogLaw): void => {
  law(
    "entries are read in the order in which they were appended, at the offsets that were answered",
    ({ log, store }) =>
      Effect.gen(function*() {
        const before = Date.now()
        const offsets = [
          ...yield* append(store, log, ["a"]),
          ...yield* append(store, log, numbers(300)),
          ...yield* append(store, log, ["b", "c"])
        ]
        const { entries } = yield* store.read(log, "oldest")
        const found = Array.from(yield* inTime("all are read", Stream.runCollect(Stream.take(entries, 303))))
        assert.deepStrictEqual(found.map(textOf), ["a", ...numbers(300), "b", "c"])
        assert.deepStrictEqual(found.map(({ offset }) => offset), offsets)
        for (const [at, { offset, time }] of found.entries()) {
          const last = found[at - 1] ?? { offset: 0n, time: before - 60_000 }
          assert.isTrue(offset > last.offset && time >= last.time)
        }
        assert.isAtMost(found.at(-1)?.time ?? Infinity, Date.now() + 60_000)
        assert.deepStrictEqual(yield* store.append(log, []), [])
      })
  )

  law(
    "the bytes and the headers are read as they were appended, also none",
    ({ log, store }) =>
      Effect.gen(function*() {
        const payloads = [Uint8Array.from({ length: 256 }, (_, at) => at), new Uint8Array(0)]
        const headers = { "a-b": "x y: \"z\"", "empty": "", "n1": "~" }
        const [first = new Uint8Array(), second = new Uint8Array()] = payloads
        yield* store.append(log, [{ payload: first, headers }, { payload: second }])
        const { entries } = yield* store.read(log, "oldest")
        const found = Array.from(yield* inTime("both are read", Stream.runCollect(Stream.take(entries, 2))))
        assert.deepStrictEqual(
          found.map(({ headers, payload }) => ({ headers: { ...headers }, payload: Array.from(payload) })),
          [{ headers, payload: Array.from(first) }, { headers: {}, payload: [] }]
        )
      })
  )

  law("what many append at once is all there, each in its order", ({ log, store }) =>
    Effect.gen(function*() {
      const names = ["a", "b", "c", "d", "e"]
      const of = (name: string) => numbers(40).map((one) => `${name}${one}`)
      yield* Effect.forEach(
        names,
        (name) => Effect.forEach(of(name), (one) => append(store, log, [one]), { discard: true }),
        { concurrency: "unbounded", discard: true }
      )
      const found = yield* read(store, log, "oldest", 200)
      for (const name of names) assert.deepStrictEqual(found.filter((one) => one.startsWith(name)), of(name))
    }))

  law("the largest entry that is allowed is read", ({ log, store }) =>
    Effect.gen(function*() {
      const headers = { name: "0123456789" }
      const payload = new Uint8Array(store.maxBytes - 14).map((_, at) => at * 31)
      yield* store.append(log, [{ payload, headers }])
      const { entries } = yield* store.read(log, "oldest")
      const [entry] = Array.from(yield* inTime("it is read", Stream.runCollect(Stream.take(entries, 1))))
      assert.strictEqual(entry?.payload.length, payload.length)
      assert.isTrue(entry?.payload.every((byte, at) => byte === payload[at]))
    }))
}
