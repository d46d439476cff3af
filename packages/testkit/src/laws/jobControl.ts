import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { JobAbilities } from "../JobStoreLaws.ts"
import { claim, enqueue, failed, having, inTime, type JobLaw, nothing, refused, text } from "./jobStage.ts"

export const jobControlLaws = (every: JobLaw, abilities: JobAbilities): void => {
  const law = having(every, abilities.control)

  law(
    "a paused queue gives out nothing, and wakes who waits when it goes on",
    ({ control, queue, store }) =>
      Effect.gen(function*() {
        yield* control.pause(queue)
        yield* enqueue(store, queue, ["a"])
        yield* nothing(store, queue)
        const waiting = yield* Effect.forkScoped(claim(store, queue))
        yield* Effect.sleep(20)
        assert.isTrue((yield* control.stats(queue)).paused)
        yield* control.resume(queue)
        assert.strictEqual(text((yield* Fiber.join(waiting)).payload), "a")
        assert.isFalse((yield* control.stats(queue)).paused)
      })
  )

  law("what was claimed before a pause can be ended", ({ control, queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["a"])
      const job = yield* claim(store, queue)
      yield* control.pause(queue)
      assert.strictEqual(yield* store.settle(job, { _tag: "Completed" }), "Completed")
    }))

  law("the counts are those of the jobs", ({ control, queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["dead", "again", "claimed", "waits", "waits too"])
      yield* store.settle(yield* claim(store, queue), { _tag: "Dead", failure: failed("no") })
      yield* store.settle(yield* claim(store, queue), { _tag: "Retry", delay: "1 hour", failure: failed("no") })
      yield* claim(store, queue)
      const expected = { waiting: 2, delayed: 1, claimed: 1, dead: 1, paused: false }
      assert.deepStrictEqual({ ...(yield* control.stats(queue)) }, expected)
    }))

  law("a job is seen in each of its states", ({ control, queue, store }) =>
    Effect.gen(function*() {
      const [id = ""] = yield* enqueue(store, queue, ["a"])
      const look = Effect.map(
        control.inspect(queue, id),
        Option.match({ onNone: () => "none", onSome: ({ attempts, state }) => `${state} ${attempts}` })
      )
      assert.strictEqual(yield* look, "waiting 0")
      const first = yield* claim(store, queue)
      assert.strictEqual(yield* look, "claimed 1")
      yield* store.settle(first, { _tag: "Retry", delay: 300, failure: failed("no") })
      assert.strictEqual(yield* look, "delayed 1")
      const second = yield* claim(store, queue)
      yield* store.settle(second, { _tag: "Dead", failure: failed("no") })
      assert.strictEqual(yield* look, "dead 2")
      yield* store.redrive(queue)
      yield* store.settle(yield* claim(store, queue), { _tag: "Completed" })
      assert.strictEqual(yield* look, "none")
    }))

  law("a job that waits and is cancelled is nobody's", ({ control, queue, store }) =>
    Effect.gen(function*() {
      const [id = ""] = yield* enqueue(store, queue, ["a"])
      assert.isTrue(yield* control.cancel(queue, id))
      assert.isFalse(yield* control.cancel(queue, id))
      yield* nothing(store, queue)
    }))

  law(
    "what runs for a job that is cancelled is interrupted, and cannot complete",
    ({ control, queue, store }) =>
      Effect.gen(function*() {
        const [id = ""] = yield* enqueue(store, queue, ["a"])
        const job = yield* claim(store, queue, abilities.leastTtl ?? 200)
        const running = yield* Effect.forkScoped(store.keep(job, Effect.never))
        assert.isTrue(yield* control.cancel(queue, id))
        assert.strictEqual(yield* refused(inTime("it is interrupted", Fiber.join(running))), "LeaseLost")
        assert.strictEqual(yield* refused(store.settle(job, { _tag: "Completed" })), "LeaseLost")
        yield* nothing(store, queue)
      })
  )

  having(law, abilities.keyOrder)(
    "a cancelled job holds nobody of its key up",
    ({ control, queue, store }) =>
      Effect.gen(function*() {
        const [id = ""] = yield* enqueue(store, queue, ["1", "2"], { key: "key" })
        yield* claim(store, queue)
        yield* control.cancel(queue, id)
        assert.strictEqual(text((yield* claim(store, queue)).payload), "2")
      })
  )
}
