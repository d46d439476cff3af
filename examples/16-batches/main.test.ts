import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import { TestClock } from "effect/testing"
import { scene } from "./main.ts"

it.effect("no row waits for more than two seconds, the end sends the rest and keeps the pace, and a bad row fails alone", () =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(scene)
    yield* TestClock.adjust("10 seconds")
    const { batches, fifth, seventh } = yield* Fiber.join(fiber)
    assert.deepStrictEqual(batches, [
      [0, [1, 2, 3, 4]],
      [2000, [5, 6]],
      [5000, [7]],
      [5500, [8, 9, 10, 11]],
      [6000, [12]]
    ])
    assert.strictEqual(seventh, 7)
    assert.deepStrictEqual(fifth, Result.fail("row 5 breaks a rule"))
  }))
