import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { request } from "./main.ts"

const answer = (budget: number, concurrency: number) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(request(budget, concurrency))
    yield* TestClock.adjust("2 seconds")
    return yield* Fiber.join(fiber)
  })

describe("a request", () => {
  it.effect("is answered in time when it asks all at once", () =>
    Effect.map(answer(800, 3), (text) => assert.strictEqual(text, "profile, orders, offers")))
  it.effect("is over where it was when it asks one by one, or has too little time", () =>
    Effect.gen(function*() {
      assert.match(yield* answer(800, 1), /^request 1: over after \d+ ms at .*offers > database$/)
      assert.match(yield* answer(300, 3), /^request 1: over after \d+ ms at .*orders > database$/)
    }))
})
