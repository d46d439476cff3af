import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { scene } from "./main.ts"

it.effect("the limit follows the server down and up, and the server is busy all the time", () =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(scene(10))
    yield* TestClock.adjust("30 seconds")
    const { limits, served } = yield* Fiber.join(fiber)
    const [whole = 0, half = 0, again = 0] = limits
    assert.isTrue(whole >= 10 && whole <= 18, `${whole}`)
    assert.isTrue(half >= 5 && half <= 11, `${half}`)
    assert.isTrue(again >= 10 && again <= 18, `${again}`)
    // 200 a second, then 100, then 200.
    assert.isAbove(served, 4700)
  }))
