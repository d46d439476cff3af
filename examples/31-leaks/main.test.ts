import { assert, describe, it } from "@effect/vitest"
import { LeakFree } from "@heddle/testkit"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import { TestClock } from "effect/testing"
import { dumpOn, evening, watched } from "./main.ts"

const played = (guest: "forgetful" | "tidy") =>
  Effect.gen(function*() {
    const running = yield* Effect.forkChild(watched(evening(guest, 60)))
    yield* TestClock.adjust("2 minutes")
    return yield* Fiber.join(running)
  }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

describe("guests whose heartbeats are forgotten", () => {
  it.effect("are told by name, and stand in the dump with the place where they were started", () =>
    Effect.gen(function*() {
      const { text, told } = yield* played("forgetful")
      assert.isAbove(told.length, 0)
      assert.strictEqual(told[0]?.grown[0]?.name, "heartbeat")
      assert.isTrue(told[0]?.samples.every(({ path }) => path.some((frame) => frame.includes("31-leaks/main.ts"))))
      assert.isAbove(text.split("heartbeat#").length, 100)
    }))

  it.effect("are not told when they end with their guests", () =>
    Effect.gen(function*() {
      const { text, told } = yield* played("tidy")
      assert.deepEqual(told, [])
      assert.isBelow(text.split("heartbeat#").length, 5)
    }))

  it.live("stand in what the process prints on a signal", () =>
    LeakFree.leakFree(watched(Effect.scoped(Effect.gen(function*() {
      yield* Effect.forkScoped(Effect.withSpan(Effect.never, "the one that stays"), { startImmediately: true })
      const printed = yield* Deferred.make<string>()
      yield* dumpOn("SIGUSR2", (text) => Deferred.doneUnsafe(printed, Effect.succeed(text)))
      process.kill(process.pid, "SIGUSR2")
      assert.match(yield* Deferred.await(printed), /the one that stays#\d+ {2}\d+ ms old/)
    })))))
})
