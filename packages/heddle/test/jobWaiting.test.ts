import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { type Job, JobBackend } from "heddle/messaging"

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
  const gives = new Set<(jobs: ReadonlyArray<Job.Claimed>) => void>()
  const back: Array<string> = []
  let here = 0
  const during: Array<string> = []
  const give = (id: string) => gives.forEach((give) => give([{ ...job, id }]))
  const claims = yield* JobBackend.waiting({
    take: () =>
      Effect.sync(() => {
        asked.push(here > 0 ? "takes" : "takes nothing")
        if (here > 0) during.splice(0).forEach(give)
        return { jobs: here > 0 ? [{ ...job, id: String(here--) }] : [], next: Infinity }
      }),
    listen: (_, wake, give) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          asked.push("listens")
          wakes.add(wake)
          gives.add(give)
        }),
        () =>
          Effect.sync(() => {
            wakes.delete(wake)
            gives.delete(give)
          })
      ),
    handBackUnsafe: (held) => back.push(...held.map(({ id }) => id)),
    timeout: 0
  })
  const come = () => {
    here++
    for (const wake of wakes) wake()
  }
  const start = Effect.forkChild(Effect.uninterruptible(claims(claim)), { startImmediately: true })
  return { asked, back, come, during, give, start }
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

  it.effect("ends with what it is given, and takes no more", () =>
    Effect.gen(function*() {
      const { asked, back, give, start } = yield* making
      const waiting = yield* start
      give("given")
      assert.deepStrictEqual((yield* Fiber.join(waiting)).map(({ id }) => id), ["given"])
      assert.deepStrictEqual([asked, back], [["takes nothing", "listens", "takes nothing"], []])
    }))

  it.effect("hands back what it is given while it takes something itself, but not what it has taken", () =>
    Effect.gen(function*() {
      const { back, come, during, start } = yield* making
      for (const id of ["other", "1"]) {
        const waiting = yield* start
        during.push(id)
        come()
        yield* Fiber.join(waiting)
      }
      assert.deepStrictEqual(back, ["other"])
    }))

  it.effect("has what it is given, or hands it back, when it is interrupted", () =>
    Effect.gen(function*() {
      const { back, give, start } = yield* making
      const waiting = yield* start
      give("given")
      yield* Fiber.interrupt(waiting)
      const exit = yield* Fiber.await(waiting)
      const has = Exit.isSuccess(exit) ? exit.value.map(({ id }) => id) : []
      assert.deepStrictEqual([...has, ...back], ["given"])
    }))
})
