import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { scene } from "./main.ts"

describe("an operator with more events than time", () => {
  it.effect("handles all that is critical and all of users, and knows what it did not see of the metrics", () =>
    Effect.gen(function*() {
      const running = yield* Effect.forkChild(scene(() => Effect.void))
      yield* TestClock.adjust("20 seconds")
      const { handled, stats } = yield* Fiber.join(running)
      assert.deepStrictEqual([stats.critical.delivered, stats.critical.dropped], [9, 0])
      assert.deepStrictEqual([stats.user.delivered, stats.user.dropped], [24, 0])
      assert.strictEqual(stats.metrics.offered, 49)
      assert.strictEqual(stats.metrics.delivered + stats.metrics.dropped, 49)
      assert.isAbove(stats.metrics.dropped, 0)
      assert.isAbove(stats.metrics.delivered, 20)
      assert.strictEqual(handled.length, 33 + stats.metrics.delivered)
    }))
})
