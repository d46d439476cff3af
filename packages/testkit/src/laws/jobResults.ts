import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import type { Job } from "heddle/messaging"
import type { JobAbilities } from "../JobStoreLaws.ts"
import { bytes, claim, enqueue, failed, having, inTime, type JobLaw, refused, text } from "./jobStage.ts"

const show = (outcome: Job.Outcome): string => {
  switch (outcome._tag) {
    case "Completed":
      return `Completed ${text(outcome.result)}`
    case "Dead":
      return `Dead ${outcome.failure.cause} ${text(outcome.failure.error)}`
    default:
      return outcome._tag
  }
}

export const jobResultLaws = (every: JobLaw, abilities: JobAbilities): void => {
  const law = having(every, abilities.results)
  const keep = "1 minute"

  law("who waits for a job is told its result", ({ queue, results, store }) =>
    Effect.gen(function*() {
      const [id = ""] = yield* enqueue(store, queue, ["2 + 3"], { keep })
      const waiting = yield* Effect.forkScoped(inTime("it ends", results.outcome(queue, id)))
      yield* Effect.sleep(20)
      yield* store.settle(yield* claim(store, queue), { _tag: "Completed", result: bytes("5") })
      assert.strictEqual(show(yield* Fiber.join(waiting)), "Completed 5")
    }))

  law(
    "who asks after the end is told as well, for as long as it is kept",
    ({ queue, results, store }) =>
      Effect.gen(function*() {
        const [kept = "", not = ""] = [
          ...yield* enqueue(store, queue, ["kept"], { keep }),
          ...yield* enqueue(store, queue, ["not"])
        ]
        yield* store.settle(yield* claim(store, queue), { _tag: "Completed", result: bytes("r") })
        yield* store.settle(yield* claim(store, queue), { _tag: "Completed", result: bytes("r") })
        assert.strictEqual(show(yield* results.outcome(queue, kept)), "Completed r")
        assert.strictEqual(show(yield* results.outcome(queue, not)), "Unknown")
        assert.strictEqual(show(yield* results.outcome(queue, "never was")), "Unknown")
      })
  )

  law("a job without a result has none", ({ queue, results, store }) =>
    Effect.gen(function*() {
      const [id = ""] = yield* enqueue(store, queue, ["a"], { keep })
      yield* store.settle(yield* claim(store, queue), { _tag: "Completed" })
      assert.deepStrictEqual(yield* results.outcome(queue, id), { _tag: "Completed", result: undefined })
    }))

  law(
    "who waits for a job that dies is told cause and error, and not of the attempts before",
    ({ queue, results, store }) =>
      Effect.gen(function*() {
        const [id = ""] = yield* enqueue(store, queue, ["a"], { maxAttempts: 2 })
        const waiting = yield* Effect.forkScoped(inTime("it ends", results.outcome(queue, id)))
        yield* store.settle(yield* claim(store, queue), { _tag: "Retry", delay: 0, failure: failed("first") })
        const failure = { cause: "second", error: bytes("e2") }
        yield* store.settle(yield* claim(store, queue), { _tag: "Retry", delay: 0, failure })
        assert.strictEqual(show(yield* Fiber.join(waiting)), "Dead second e2")
        assert.strictEqual(show(yield* results.outcome(queue, id)), "Dead second e2")
      })
  )

  law(
    "what a worker reports is told in order, the latest to who comes later",
    ({ queue, results, store }) =>
      Effect.gen(function*() {
        const [id = ""] = yield* enqueue(store, queue, ["a"], { keep })
        const job = yield* claim(store, queue)
        yield* results.report(job, bytes("10 %"))
        const seen: Array<string> = []
        const half = Latch.makeUnsafe(false)
        const following = yield* Effect.forkScoped(Stream.runForEach(results.follow(queue, id), (event) =>
          Effect.sync(() => {
            seen.push(event._tag === "Progress" ? text(event.value) ?? "" : show(event.outcome))
            half.openUnsafe()
          })))
        yield* inTime("the latest is told", half.await)
        half.closeUnsafe()
        yield* results.report(job, bytes("60 %"))
        yield* inTime("the next is told", half.await)
        yield* store.settle(job, { _tag: "Completed", result: bytes("r") })
        yield* inTime("it ends", Fiber.join(following))
        assert.deepStrictEqual(seen, ["10 %", "60 %", "Completed r"])
      })
  )

  law("who reports after the claim is over is refused", ({ queue, results, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["a"], { keep })
      const job = yield* claim(store, queue)
      yield* store.settle(job, { _tag: "HandedBack" })
      assert.strictEqual(yield* refused(results.report(job, bytes("late"))), "LeaseLost")
    }))

  having(law, abilities.control)(
    "who waits for a job that is cancelled is told so",
    ({ control, queue, results, store }) =>
      Effect.gen(function*() {
        const [id = ""] = yield* enqueue(store, queue, ["a"], { keep })
        const waiting = yield* Effect.forkScoped(inTime("it ends", results.outcome(queue, id)))
        yield* Effect.sleep(20)
        yield* control.cancel(queue, id)
        assert.strictEqual(show(yield* Fiber.join(waiting)), "Cancelled")
        assert.strictEqual(show(yield* results.outcome(queue, id)), "Cancelled")
      })
  )
}
