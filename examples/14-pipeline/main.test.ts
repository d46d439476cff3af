import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { scene } from "./main.ts"

describe("eight items, one of them bad", () => {
  it.live("AC-05.6 seven are done, in order, 42 is 84, and the bad one is told with its stage and error", () =>
    Effect.gen(function*() {
      const { done, failed, stats } = yield* scene
      assert.deepStrictEqual(done.map(({ id }) => id), [1, 2, 3, 4, 6, 7, 8])
      assert.strictEqual(done[3]?.data, 84)
      assert.strictEqual(done[0]?.data, "transformed: one")
      assert.deepStrictEqual(failed, ["item 5 in validate: no value"])
      assert.deepStrictEqual([stats.in, stats.out, stats.failed, stats.dropped, stats.inside], [8, 7, 1, 0, 0])
    }))
})
