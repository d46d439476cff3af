import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { append, type LogLaw, read } from "./logStage.ts"

export const logConsumingLaws = (law: LogLaw): void => {
  law(
    "a consumer's position is where it was committed last, and never goes back",
    ({ log, store }) =>
      Effect.gen(function*() {
        const position = store.position(log, "c")
        assert.isTrue(Option.isNone(yield* position))
        const consumer = yield* store.attach(log, "c")
        assert.isTrue(Option.isNone(consumer.position))
        const [first = 0n, second = 0n, third = 0n] = yield* append(store, log, ["a", "b", "c"])
        yield* consumer.commit(second)
        assert.deepStrictEqual(yield* position, Option.some(second))
        yield* consumer.commit(first)
        assert.deepStrictEqual(yield* position, Option.some(second))
        yield* consumer.commit(third)
        assert.deepStrictEqual((yield* store.attach(log, "c")).position, Option.some(third))
        assert.deepStrictEqual(yield* read(store, log, { offset: second + 1n }, 1), ["c"])
      })
  )

  law(
    "one consumer of a name may commit, the one who came last: another moves nothing",
    ({ log, store }) =>
      Effect.gen(function*() {
        const [first = 0n, second = 0n, third = 0n] = yield* append(store, log, ["a", "b", "c"])
        const one = yield* store.attach(log, "c")
        yield* one.commit(first)
        const two = yield* store.attach(log, "c")
        assert.deepStrictEqual(two.position, Option.some(first))
        assert.isTrue(two.token > one.token)
        for (const offset of [first, second, third]) {
          assert.deepInclude(yield* Effect.flip(one.commit(offset)), { _tag: "ConsumerReplaced", log, consumer: "c" })
        }
        assert.deepStrictEqual(yield* store.position(log, "c"), Option.some(first))
        yield* two.commit(second)
        const three = yield* store.attach(log, "c")
        assert.isTrue(three.token > two.token)
        assert.strictEqual((yield* Effect.flip(two.commit(third)))._tag, "ConsumerReplaced")
        yield* three.commit(third)
        assert.deepStrictEqual(yield* store.position(log, "c"), Option.some(third))
      })
  )

  law("of many who become the consumer at once, one may commit", ({ log, store }) =>
    Effect.gen(function*() {
      const [first = 0n] = yield* append(store, log, ["a"])
      const all = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => store.attach(log, "c"), { concurrency: "unbounded" })
      assert.strictEqual(new Set(all.map(({ token }) => token)).size, 6)
      const made = yield* Effect.partition(all, ({ commit }) => commit(first))
      assert.strictEqual(made[0].length, 1)
      const last = all.reduce((one, other) => one.token > other.token ? one : other)
      yield* last.commit(first)
    }))

  law("names are kept apart, and so are logs", ({ log, store }) =>
    Effect.gen(function*() {
      const one = yield* store.attach(log, "one")
      const two = yield* store.attach(log, "two")
      const other = yield* store.attach(`${log}.b`, "one")
      yield* one.commit(1n)
      yield* two.commit(2n)
      yield* other.commit(3n)
      const positions = yield* Effect.all([
        store.position(log, "one"),
        store.position(log, "two"),
        store.position(`${log}.b`, "one")
      ])
      assert.deepStrictEqual(positions, [Option.some(1n), Option.some(2n), Option.some(3n)])
    }))
}
