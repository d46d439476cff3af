import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { scene } from "./main.ts"

describe("a pool that grows and shrinks with its load", () => {
  it.effect("answers everybody, accounts for all, and has as few workers between the waves as before", () =>
    Effect.gen(function*() {
      const running = yield* Effect.forkChild(scene(() => Effect.void))
      yield* TestClock.adjust("1 minute")
      const { report, sizes, stats, waves } = yield* Fiber.join(running)
      assert.deepStrictEqual(waves.map((wave) => wave.length), [50, 75, 100, 150])
      assert.isAbove(Math.max(...sizes), 6)
      assert.isAtMost(Math.max(...sizes), 20)
      assert.isTrue(sizes.some((size, index) => size < (sizes[index - 1] ?? 5)))
      assert.isAtLeast(stats.highWater, 50)
      assert.isAtMost(stats.highWater, 100)
      const { completed, cut, failed, notRun } = report
      assert.strictEqual(stats.accepted, completed + failed + cut + notRun)
      assert.strictEqual(375, stats.accepted + stats.refused)
      const failures = waves.flat().flatMap((exit) => Exit.isFailure(exit) ? [Cause.squash(exit.cause)] : [])
      const tags = failures.map((error) => error instanceof Error ? error.name : "")
      assert.strictEqual(tags.filter((tag) => tag === "Unreadable").length, failed)
      assert.strictEqual(tags.filter((tag) => tag === "PoolClosed").length, cut + notRun + stats.refused)
    }))
})
