import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { JobBackend } from "heddle/messaging"

const claim: JobBackend.Claim = { queue: "q", max: 1, ttl: 1000, owner: "me", wait: true }
const job = {
  queue: "q",
  id: "1",
  token: 1n,
  attempt: 1,
  maxAttempts: 1,
  key: undefined,
  payload: Uint8Array.of(),
  headers: {},
  age: 0,
  ttl: 1000,
  until: Infinity
}

/** A queue, and what is asked of it. */
const making = Effect.gen(function*() {
  const asked: Array<string> = []
  const wakes = new Set<() => void>()
  let here = 0
  const claims = yield* JobBackend.waiting({
    take: () =>
      Effect.sync(() => {
        asked.push(here > 0 ? "takes" : "takes nothing")
        return { jobs: here > 0 ? [{ ...job, id: String(here--) }] : [], next: Infinity }
      }),
    listen: (_, wake) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          asked.push("listens")
          wakes.add(wake)
        }),
        () => Effect.sync(() => wakes.delete(wake))
      ),
    handBackUnsafe: () => {},
    timeout: 0
  })
  const come = () => {
    here++
    for (const wake of wakes) wake()
  }
  const start = Effect.forkChild(claims(claim), { startImmediately: true })
  return { asked, come, start }
})

describe("a claim that waits", () => {
  it.effect("takes before it listens, and once where the last one had to wait", () =>
    Effect.gen(function*() {
      const { asked, come, start } = yield* making
      const first = yield* start
      come()
      yield* Fiber.join(first)
      assert.deepStrictEqual(asked.splice(0), ["takes nothing", "listens", "takes nothing", "takes"])
      const second = yield* start
      come()
      yield* Fiber.join(second)
      assert.deepStrictEqual(asked, ["listens", "takes nothing", "takes"])
    }))

  it.effect("does not listen where the last one found something at once", () =>
    Effect.gen(function*() {
      const { asked, come, start } = yield* making
      const first = yield* start
      come()
      yield* Fiber.join(first)
      asked.splice(0)
      for (let turn = 0; turn < 3; turn++) {
        come()
        yield* Fiber.join(yield* start)
      }
      assert.deepStrictEqual(asked, ["listens", "takes", "takes", "takes"])
    }))
})
