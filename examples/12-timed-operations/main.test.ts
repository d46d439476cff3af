import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { scene } from "./main.ts"

it.effect("a failure is not the answer while another succeeds, all are told when none does, and the time holds", () =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(scene, { startImmediately: true })
    yield* TestClock.adjust(100 + 100 + 100 + 70)
    assert.deepStrictEqual(yield* Fiber.join(fiber), {
      first: "medium result",
      reasons: ["fast is away", "medium is away"],
      late: "NoneInTime",
      hedged: "quick result",
      calls: 2
    })
    // The one that does not listen ends on its own.
    yield* TestClock.adjust("3 seconds")
  }))
