import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { scene } from "./main.ts"

it.effect("five run, five wait, ten come later, and all places are free again", () =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(scene)
    yield* TestClock.adjust("1 second")
    const { answers, most, occupancy } = yield* Fiber.join(fiber)
    const count = (answer: string) => answers.filter((one) => one === answer).length
    assert.deepStrictEqual([count("served"), count("come later"), most], [10, 10, 5])
    assert.deepStrictEqual(occupancy, { running: 0, waiting: 0, places: 5 })
  }))
