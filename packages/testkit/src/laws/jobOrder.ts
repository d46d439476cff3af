import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { JobAbilities } from "../JobStoreLaws.ts"
import { bytes, claim, complete, enqueue, failed, having, type JobLaw, nothing, text } from "./jobStage.ts"

export const jobOrderLaws = (law: JobLaw, { batch, delay, priority }: JobAbilities): void => {
  having(law, priority)(
    "a higher priority goes first, and within one the order they came",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["low 1"])
        yield* enqueue(store, queue, ["high 1"], { priority: 9 })
        yield* enqueue(store, queue, ["middle"], { priority: 4 })
        yield* enqueue(store, queue, ["low 2"], { priority: 0 })
        yield* enqueue(store, queue, ["high 2"], { priority: 9 })
        assert.deepStrictEqual(yield* complete(store, queue, 5), ["high 1", "high 2", "middle", "low 1", "low 2"])
      })
  )

  having(law, priority)("a job that fails keeps its priority", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["low"])
      yield* enqueue(store, queue, ["high"], { priority: 1 })
      yield* store.settle(yield* claim(store, queue), { _tag: "Retry", delay: 0, failure: failed("no") })
      assert.deepStrictEqual(yield* complete(store, queue, 2), ["high", "low"])
    }))

  having(law, delay)(
    "a delayed job is nobody's before its time, and goes to who waits for it then",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["later"], { delay: 150 })
        yield* nothing(store, queue)
        const waiting = yield* Effect.forkScoped(claim(store, queue))
        assert.strictEqual(text((yield* Fiber.join(waiting)).payload), "later")
      })
  )

  having(law, delay)(
    "delayed jobs come in the order of their times, and hold nobody up",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["third"], { delay: 400 })
        yield* enqueue(store, queue, ["second"], { delay: 200 })
        yield* enqueue(store, queue, ["first"])
        assert.deepStrictEqual(yield* complete(store, queue, 3), ["first", "second", "third"])
      })
  )

  having(law, delay)("a purge takes the delayed as well", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["later"], { delay: "1 hour" })
      assert.strictEqual(yield* store.purge(queue, "waiting"), 1)
    }))

  having(law, batch)(
    "jobs that are enqueued together are added together or not at all",
    ({ queue, store }) =>
      Effect.gen(function*() {
        const good = { payload: bytes("good") }
        yield* Effect.flip(store.enqueue(queue, [good, { ...good, maxAttempts: 0 }]))
        yield* nothing(store, queue)
        const all = yield* store.enqueue(queue, Array.from({ length: 1000 }, () => good))
        assert.strictEqual(new Set(all.map(({ id }) => id)).size, 1000)
        assert.strictEqual((yield* store.claim(queue, { max: 1000 })).length, 1000)
      })
  )
}
