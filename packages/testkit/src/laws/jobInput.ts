import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Job } from "heddle/messaging"
import type { JobAbilities } from "../JobStoreLaws.ts"
import { claim, enqueue, type JobLaw, nothing } from "./jobStage.ts"

/** The field that a refusal names. */
const field = <A, R>(effect: Effect.Effect<A, Job.JobError | Job.LeaseLost, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag === "InvalidJob" ? error.field : error._tag)

export const jobInputLaws = (law: JobLaw, abilities: JobAbilities): void => {
  const payload = Uint8Array.of(1)

  law("what cannot mean anything is refused, and adds nothing", ({ queue, store }) =>
    Effect.gen(function*() {
      const wrong = (job: Partial<Job.NewJob>) => field(store.enqueue(queue, [{ payload }, { payload, ...job }]))
      assert.strictEqual(yield* wrong({ payload: new Uint8Array(1_000_001) }), "payload")
      assert.strictEqual(yield* wrong({ headers: { Name: "x" } }), "headers")
      assert.strictEqual(yield* wrong({ headers: { name: "ü" } }), "headers")
      assert.strictEqual(yield* wrong({ headers: { name: "x".repeat(16_384) } }), "headers")
      assert.strictEqual(yield* wrong({ id: "" }), "id")
      assert.strictEqual(yield* wrong({ key: "\ud800" }), "key")
      assert.strictEqual(yield* wrong({ delay: -1 }), "delay")
      assert.strictEqual(yield* wrong({ delay: Infinity }), "delay")
      assert.strictEqual(yield* wrong({ priority: 1.5 }), "priority")
      assert.strictEqual(yield* wrong({ maxAttempts: 0 }), "maxAttempts")
      assert.strictEqual(yield* wrong({ keep: NaN }), "keep")
      assert.strictEqual(yield* field(store.enqueue("", [{ payload }])), "queue")
      assert.strictEqual(yield* field(store.enqueue("a b", [{ payload }])), "queue")
      assert.strictEqual(yield* field(store.claim(queue, { max: 0 })), "max")
      assert.strictEqual(yield* field(store.claim(queue, { ttl: 9 })), "ttl")
      assert.strictEqual(yield* field(store.claim(queue, { waitFor: NaN })), "waitFor")
      assert.strictEqual(yield* field(store.deadLetters(queue, { limit: 0 })), "limit")
      yield* nothing(store, queue)
    }))

  law(
    "a result or an error that is too large is refused, and the job stays claimed",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["a"])
        const job = yield* claim(store, queue)
        const large = new Uint8Array(1_000_001)
        assert.strictEqual(yield* field(store.settle(job, { _tag: "Completed", result: large })), "result")
        const failure = { cause: "no", error: large }
        assert.strictEqual(yield* field(store.settle(job, { _tag: "Dead", failure })), "error")
        assert.strictEqual(yield* field(store.settle(job, { _tag: "Retry", delay: NaN, failure })), "delay")
        assert.strictEqual(yield* store.settle(job, { _tag: "Completed" }), "Completed")
      })
  )

  law(
    "the largest payload that is allowed arrives, and the longest cause is cut",
    ({ queue, store }) =>
      Effect.gen(function*() {
        const largest = new Uint8Array(1_000_000).fill(7)
        yield* store.enqueue(queue, [{ payload: largest }])
        const job = yield* claim(store, queue)
        assert.strictEqual(job.payload.length, largest.length)
        yield* store.settle(job, { _tag: "Dead", failure: { cause: "x".repeat(10_000) } })
        assert.strictEqual((yield* store.deadLetters(queue))[0]?.failure.cause.length, 8192)
      })
  )

  const lacking = [
    ["priority", { priority: 1 }, abilities.priority],
    ["delay", { delay: 1000 }, abilities.delay],
    ["key", { key: "a" }, abilities.keyOrder],
    ["id", { id: "a" }, abilities.unique]
  ] as const
  for (const [name, job, has] of lacking) {
    if (has !== true) {
      law(
        `a job with a ${name}, which the store does not do, is refused`,
        ({ queue, store }) =>
          Effect.gen(function*() {
            assert.strictEqual(yield* field(store.enqueue(queue, [{ payload, ...job }])), name)
          })
      )
    }
  }
}
