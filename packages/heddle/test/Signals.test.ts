import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Signals } from "heddle/lifecycle"

const names = ["SIGTERM", "SIGINT", "SIGHUP"] as const
const listeners = () => names.map((name) => process.listenerCount(name))

describe("Signals", () => {
  it.effect("are those of the process, each told by its name for as long as somebody listens", () =>
    Effect.gen(function*() {
      const before = listeners()
      const listen = yield* Signals.Signals
      const heard: Array<Signals.Signal> = []
      const stop = listen((signal) => heard.push(signal))
      assert.deepStrictEqual(listeners(), before.map((count) => count + 1))
      for (const name of names) process.listeners(name).at(-1)?.(name)
      stop()
      assert.deepStrictEqual([heard, listeners()], [[...names], before])
    }))

  it.effect("are told to all who listen, and one who stops leaves the others", () =>
    Effect.gen(function*() {
      const listen = yield* Signals.Signals
      const before = listeners()
      const [first, second] = [listen(() => {}), listen(() => {})]
      first()
      first()
      assert.deepStrictEqual(listeners(), before.map((count) => count + 1))
      second()
      assert.deepStrictEqual(listeners(), before)
    }))
})
