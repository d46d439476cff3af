import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { all, some } from "./main.ts"

describe("twenty tasks on five workers", () => {
  it.effect("17 succeed and 3 fail, in 400 ms, in the order of the tasks", () =>
    Effect.gen(function*() {
      const running = yield* Effect.forkChild(all)
      yield* TestClock.adjust("400 millis")
      const exits = yield* Fiber.join(running)
      assert.deepStrictEqual(exits.flatMap((exit, id) => Exit.isFailure(exit) ? [id] : []), [0, 7, 14])
      assert.deepStrictEqual(exits[6], Exit.succeed("processed: Task 6 input"))
      assert.strictEqual(exits.length, 20)
    }))

  it.effect("at the deadline there is what is done, and it says that it is not all", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const running = yield* Effect.forkChild(some((line) => Effect.sync(() => lines.push(line))))
      yield* TestClock.adjust("250 millis")
      const { complete, outcomes } = yield* Fiber.join(running)
      assert.isFalse(complete)
      assert.deepStrictEqual(outcomes.map(({ index }) => index), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      assert.strictEqual(lines[0], "0 of 20 done, 0 of them failed")
    }))
})
