import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { scene } from "./main.ts"

it.effect("a stop runs every event that was taken, in order by account, and the slow account holds up no other", () =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(scene)
    yield* TestClock.adjust("5 seconds")
    const { applied, late, left } = yield* Fiber.join(fiber)
    assert.deepStrictEqual([applied.length, left], [99, 0])
    for (let account = 0; account < 10; account++) {
      const steps = applied.filter((event) => event.account === account).map(({ step }) => step)
      assert.deepStrictEqual(steps, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].filter((step) => account !== 1 || step !== 5))
    }
    assert.isAtLeast(applied.findIndex(({ account, step }) => account === 0 && step === 2), 89)
    assert.include(late, "closed before this item started")
  }))
