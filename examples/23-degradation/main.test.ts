import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { scene } from "./main.ts"

it.effect("the shop leaves out more and more, does not swing, and is whole again", () =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(scene)
    yield* TestClock.adjust("1 minute")
    const steps = yield* Fiber.join(fiber)
    const levels = steps.map(({ level }) => level)
    assert.deepStrictEqual([levels[0], levels[2], levels[3], levels[4]], ["full", "reduced", "minimal", "emergency"])
    const changes = levels.filter((level, index) => level !== (levels[index - 1] ?? "full"))
    assert.isAtMost(changes.length, 5)
    assert.deepStrictEqual(steps.at(-1), {
      cpu: 20,
      level: "full",
      page: ["checkout", "search", "reviews", "recommendations"],
      places: 20
    })
  }))
