import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { LogEntry } from "heddle/messaging"
import { append, type LogLaw, read, refused } from "./logStage.ts"

export const logInputLaws = (law: LogLaw): void => {
  law("what cannot mean anything is refused, and nothing is appended", ({ log, store }) =>
    Effect.gen(function*() {
      const payload = Uint8Array.of(1)
      const wrong = (entry: Partial<LogEntry.NewEntry>) =>
        refused(store.append(log, [{ payload }, { payload, ...entry }]))
      for (const name of ["", "a b", "a..b", "a.*", ">", "ä", "x".repeat(201)]) {
        const names = [refused(store.attach(name, "c")), refused(store.read(name, "oldest"))]
        assert.deepStrictEqual(yield* Effect.all(names), ["log", "log"])
        assert.strictEqual(yield* refused(store.append(name, [{ payload }])), "log")
        assert.strictEqual(yield* refused(store.position(name, "c")), "log")
      }
      for (const name of ["", "a b", "a.b", "x".repeat(101)]) {
        assert.strictEqual(yield* refused(store.attach(log, name)), "consumer")
        assert.strictEqual(yield* refused(store.position(log, name)), "consumer")
      }
      assert.strictEqual(yield* wrong({ headers: { Name: "x" } }), "headers")
      assert.strictEqual(yield* wrong({ headers: { name: "ü" } }), "headers")
      assert.strictEqual(yield* wrong({ payload: new Uint8Array(store.maxBytes + 1) }), "MessageTooLarge")
      for (const count of [0, -1, NaN, 1.5]) {
        assert.strictEqual(yield* refused(append(store, log, ["x"], { count })), "retention.count")
      }
      for (const age of [0, -1, NaN, 999]) {
        assert.strictEqual(yield* refused(append(store, log, ["x"], { age })), "retention.age")
      }
      const places: ReadonlyArray<LogEntry.From> = [
        { offset: -1n },
        { last: 0 },
        { last: NaN },
        { last: 1.5 },
        { last: 10_001 },
        { time: -1 },
        { time: NaN },
        { time: Infinity }
      ]
      for (const from of places) assert.strictEqual(yield* refused(store.read(log, from)), "from")
      yield* append(store, log, ["only"])
      assert.deepStrictEqual(yield* read(store, log, "oldest", 1), ["only"])
    }))
}
