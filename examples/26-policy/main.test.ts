import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { Policy } from "heddle/resilience"
import { scene } from "./main.ts"

it.effect("everybody gets an answer, on the bad day an old one, and the index is spared", () =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(scene)
    yield* TestClock.adjust("2 minutes")
    const { after, before, during, policy, reached } = yield* Fiber.join(fiber)
    const fresh = (answers: ReadonlyArray<string>) => answers.filter((answer) => answer === "fresh").length
    assert.deepStrictEqual([fresh(before), before.length, fresh(after), after.length], [25, 25, 25, 25])
    assert.strictEqual(during.length, 50)
    assert.isAbove(during.length - fresh(during), 10)
    // Some of 100 searches were answered from the cache, or refused.
    assert.isBelow(reached, 70)
    assert.deepStrictEqual(Policy.worst(policy), { attempts: 3, millis: 2000 })
    assert.deepStrictEqual(Policy.warnings(policy), [])
  }))
