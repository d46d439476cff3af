import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { JobAbilities } from "../JobStoreLaws.ts"
import { claim, complete, enqueue, failed, having, type JobLaw, nothing, text } from "./jobStage.ts"

export const jobKeyLaws = (every: JobLaw, { delay, keyOrder, leastTtl = 200, priority }: JobAbilities): void => {
  const law = having(every, keyOrder)
  const key = "customer-1"

  law("jobs of one key are worked on one at a time and in order", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["1", "2", "3"], { key })
      for (const expected of ["1", "2", "3"]) {
        const job = yield* claim(store, queue)
        assert.deepStrictEqual([text(job.payload), job.key], [expected, key])
        yield* nothing(store, queue)
        yield* store.settle(job, { _tag: "Completed" })
      }
    }))

  law("a claim of many takes one of each key", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["a1", "a2"], { key: "a" })
      yield* enqueue(store, queue, ["b1", "b2"], { key: "b" })
      yield* enqueue(store, queue, ["free"])
      const jobs = yield* store.claim(queue, { max: 10 })
      assert.deepStrictEqual(jobs.map(({ payload }) => text(payload)), ["a1", "b1", "free"])
    }))

  law(
    "a claim that waits is woken when the one before in its key has ended",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["1", "2"], { key })
        const first = yield* claim(store, queue)
        const waiting = yield* Effect.forkScoped(claim(store, queue))
        yield* Effect.sleep(20)
        yield* store.settle(first, { _tag: "Completed" })
        assert.strictEqual(text((yield* Fiber.join(waiting)).payload), "2")
      })
  )

  law(
    "a key whose first job waits for its next attempt holds its later jobs, and no others",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["1", "2"], { key })
        yield* enqueue(store, queue, ["other"])
        yield* store.settle(yield* claim(store, queue), { _tag: "Retry", delay: 100, failure: failed("no") })
        assert.deepStrictEqual(yield* complete(store, queue, 3), ["other", "1", "2"])
      })
  )

  law(
    "a key whose first job's claim has expired gives it again, before the later ones",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["1", "2"], { key })
        yield* claim(store, queue, leastTtl)
        assert.deepStrictEqual(yield* complete(store, queue, 2), ["1", "2"])
      })
  )

  law(
    "a dead letter holds nobody up, and comes last when it is redriven",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["1", "2", "3"], { key })
        yield* store.settle(yield* claim(store, queue), { _tag: "Dead", failure: failed("no") })
        const second = yield* claim(store, queue)
        assert.strictEqual(text(second.payload), "2")
        yield* store.redrive(queue)
        yield* nothing(store, queue)
        yield* store.settle(second, { _tag: "Completed" })
        assert.deepStrictEqual(yield* complete(store, queue, 2), ["3", "1"])
      })
  )

  law("a purge leaves a key that goes on", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["1", "2"], { key })
      const first = yield* claim(store, queue)
      assert.strictEqual(yield* store.purge(queue, "waiting"), 1)
      yield* enqueue(store, queue, ["3"], { key })
      yield* nothing(store, queue)
      yield* store.settle(first, { _tag: "Completed" })
      assert.deepStrictEqual(yield* complete(store, queue, 1), ["3"])
    }))

  having(law, delay)("a delayed job holds the later ones of its key", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["1"], { key, delay: 100 })
      yield* enqueue(store, queue, ["2"], { key })
      assert.deepStrictEqual(yield* complete(store, queue, 2), ["1", "2"])
    }))

  having(law, priority)("a priority changes nothing within a key", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["1"], { key })
      yield* enqueue(store, queue, ["2"], { key, priority: 9 })
      assert.deepStrictEqual(yield* complete(store, queue, 2), ["1", "2"])
    }))

  law(
    "those of a key that are removed come back to nobody, and the next of the key is not held up",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["of no key"])
        yield* claim(store, queue)
        yield* enqueue(store, queue, ["a", "b", "c"], { key: "k" })
        assert.strictEqual(yield* store.purge(queue, "waiting"), 3)
        yield* nothing(store, queue)
        yield* enqueue(store, queue, ["d"], { key: "k" })
        assert.strictEqual(text((yield* claim(store, queue)).payload), "d")
      })
  )
}
