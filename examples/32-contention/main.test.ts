import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { crossed, day, ordered } from "./main.ts"

const played = (transfer: Parameters<typeof day>[0]) =>
  Effect.gen(function*() {
    const running = yield* Effect.forkChild(day(transfer))
    for (let step = 0; step < 400; step++) yield* TestClock.adjust(10)
    return yield* Fiber.join(running)
  })

describe("transfers that lock two accounts", () => {
  it.effect("wait for each other where each takes its own first, and the circle is named", () =>
    Effect.gen(function*() {
      const { after, done, during } = yield* played(crossed)
      assert.isBelow(done, 3)
      assert.strictEqual(during.cycles.length, 1)
      const circle = during.cycles[0]?.join("; ") ?? ""
      assert.match(circle, /transfer#\d+ has lock ann and waits for lock bob/)
      assert.match(circle, /transfer#\d+ has lock bob and waits for lock ann/)
      assert.deepEqual([after.waits, after.cycles], [[], []])
      assert.isAbove(after.resources[0]?.gaveUp ?? 0, 0)
    }))

  it.effect("do not where the locks have one order, and the report says how long they waited", () =>
    Effect.gen(function*() {
      const { after, done, during } = yield* played(ordered)
      assert.strictEqual(done, 3)
      assert.deepEqual(during.cycles, [])
      const [row] = after.resources
      assert.deepEqual([row?.kind, row?.name, row?.site, row?.gaveUp], ["lock", "account", "transfer", 0])
      assert.strictEqual(row?.hold.count, 6)
      assert.isAbove(row?.wait.max ?? 0, 30)
    }))
})
