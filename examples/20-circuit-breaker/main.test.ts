import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { scene } from "./main.ts"

it.effect("three failures reach the server, the next nine requests do not, and then it is served again", () =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(scene)
    yield* TestClock.adjust("3 seconds")
    const { answers, reached, state } = yield* Fiber.join(fiber)
    const counts = Map.groupBy(answers, (answer) => answer)
    assert.deepStrictEqual([...counts].map(([answer, all]) => [answer, all.length]), [
      ["served", 8],
      ["down", 3],
      ["refused", 9]
    ])
    assert.deepStrictEqual([reached, state], [11, "closed"])
  }))
