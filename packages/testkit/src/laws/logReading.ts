import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { append, inTime, type LogLaw, numbers, read, textOf, texts } from "./logStage.ts"

export const logReadingLaws = (law: LogLaw): void => {
  law(
    "a reader sees what there is and then what comes, without a gap or a double, while others append",
    ({ log, store }) =>
      Effect.gen(function*() {
        yield* append(store, log, numbers(600))
        const appending = yield* Effect.forkScoped(
          Effect.forEach(numbers(400, 600), (one) => append(store, log, [one]), { discard: true })
        )
        const readings = yield* Effect.forEach(
          [1, 2, 3, 4],
          (at) => Effect.delay(Effect.flatMap(store.read(log, "oldest"), (reading) => texts(reading, 1000)), at * 3),
          { concurrency: "unbounded" }
        )
        for (const found of readings) assert.deepStrictEqual(found, numbers(1000))
        yield* Fiber.join(appending)
      })
  )

  law(
    "a reader at the end sees all that is appended after `read` returned, however late it runs, and nothing else",
    ({ log, store }) =>
      Effect.gen(function*() {
        const empty = yield* store.read(log, "end")
        yield* append(store, log, ["a", "b"])
        const reading = yield* store.read(log, "end")
        yield* append(store, log, ["c"])
        const found = yield* Effect.forkScoped(texts(reading, 3))
        yield* append(store, log, ["d"])
        yield* append(store, log, ["e"])
        assert.deepStrictEqual(yield* Fiber.join(found), ["c", "d", "e"])
        assert.deepStrictEqual(yield* texts(empty, 5), ["a", "b", "c", "d", "e"])
      })
  )

  law("a reader that waits is told of each entry", ({ log, store }) =>
    Effect.gen(function*() {
      const { entries } = yield* store.read(log, "oldest")
      const seen: Array<string> = []
      yield* Effect.forkScoped(Stream.runForEach(entries, (entry) => Effect.sync(() => void seen.push(textOf(entry)))))
      for (const [at, one] of numbers(20).entries()) {
        yield* append(store, log, [one])
        yield* inTime(`${one} is read`, Effect.repeat(Effect.sleep(1), { until: () => seen.length > at }))
      }
      assert.deepStrictEqual(seen, numbers(20))
    }))

  law("each run of a reading begins at the same place", ({ log, store }) =>
    Effect.gen(function*() {
      yield* append(store, log, ["a", "b", "c"])
      const reading = yield* store.read(log, { last: 2 })
      assert.deepStrictEqual(yield* texts(reading, 1), ["b"])
      yield* append(store, log, ["d"])
      assert.deepStrictEqual(yield* texts(reading, 3), ["b", "c", "d"])
    }))

  law("one can begin at an offset, at a time, and with the last ones", ({ log, store }) =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* store.read(log, { last: 3 })).offset, (yield* store.read(log, "end")).offset)
      const offsets = yield* append(store, log, numbers(10))
      const from = (at: number) => ({ offset: offsets[at] ?? 0n })
      assert.deepStrictEqual(yield* read(store, log, from(4), 6), numbers(6, 4))
      assert.deepStrictEqual(yield* read(store, log, { offset: (offsets[4] ?? 0n) + 1n }, 5), numbers(5, 5))
      assert.deepStrictEqual(yield* read(store, log, { last: 3 }, 3), numbers(3, 7))
      assert.deepStrictEqual(yield* read(store, log, { last: 100 }, 10), numbers(10))
      assert.strictEqual((yield* store.read(log, from(4))).offset, from(4).offset)
      const { entries } = yield* store.read(log, { last: 1 })
      const [last] = Array.from(yield* inTime("it is read", Stream.runCollect(Stream.take(entries, 1))))
      const time = (last?.time ?? 0) + 20
      yield* Effect.sleep(100)
      yield* append(store, log, ["late", "later"])
      assert.deepStrictEqual(yield* read(store, log, { time }, 2), ["late", "later"])
      assert.deepStrictEqual(yield* read(store, log, { time: 0 }, 12), [...numbers(10), "late", "later"])
      const coming = yield* store.read(log, { time: time + 3_600_000 })
      assert.strictEqual(coming.offset, (yield* store.read(log, "end")).offset)
    }))

  law(
    "who begins at a time while others append sees nothing that is older",
    ({ log, store }) =>
      Effect.gen(function*() {
        yield* append(store, log, numbers(10))
        yield* Effect.sleep(20)
        const [late] = yield* Effect.flatMap(
          Effect.andThen(append(store, log, ["late"]), store.read(log, { last: 1 })),
          ({ entries }) => inTime("it is read", Stream.runCollect(Stream.take(entries, 1)))
        )
        const appending = yield* Effect.forkScoped(Effect.forever(append(store, log, ["more", "more"])))
        for (let turn = 0; turn < 40; turn++) {
          assert.deepStrictEqual(yield* read(store, log, { time: late?.time ?? 0 }, 1), ["late"])
        }
        yield* Fiber.interrupt(appending)
      })
  )

  law("logs are kept apart", ({ log, store }) =>
    Effect.gen(function*() {
      yield* append(store, log, ["a"])
      yield* append(store, `${log}.b`, ["b"])
      yield* append(store, log, ["c"])
      assert.deepStrictEqual(yield* read(store, log, "oldest", 2), ["a", "c"])
      assert.deepStrictEqual(yield* read(store, `${log}.b`, "oldest", 1), ["b"])
    }))
}
