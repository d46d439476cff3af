import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { JobAbilities } from "../JobStoreLaws.ts"
import { claim, enqueue, eventually, inTime, type JobLaw, nothing, refused, text } from "./jobStage.ts"

export const jobExpiringLaws = (law: JobLaw, { leastTtl: ttl = 500 }: JobAbilities): void => {
  law(
    "a job whose claim has expired comes again, counted and with a higher token",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["a"])
        const first = yield* claim(store, queue, ttl)
        const second = yield* claim(store, queue)
        assert.deepStrictEqual([second.id, second.attempt], [first.id, 2])
        assert.isTrue(second.token > first.token)
      })
  )

  law(
    "who completes after the claim has expired is refused, and harms the next claim in nothing",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["a"])
        const first = yield* claim(store, queue, ttl)
        const second = yield* claim(store, queue)
        assert.strictEqual(yield* refused(store.settle(first, { _tag: "Completed" })), "LeaseLost")
        assert.strictEqual(yield* refused(store.settle(first, { _tag: "HandedBack" })), "LeaseLost")
        const failure = { cause: "no" }
        assert.strictEqual(yield* refused(store.settle(first, { _tag: "Dead", failure })), "LeaseLost")
        yield* nothing(store, queue)
        assert.strictEqual(yield* store.settle(second, { _tag: "Completed" }), "Completed")
      })
  )

  law(
    "a job that lets every claim expire ends as a dead letter with its cause",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["poison"], { maxAttempts: 2 })
        yield* claim(store, queue, ttl)
        assert.strictEqual((yield* claim(store, queue, ttl)).attempt, 2)
        yield* eventually("it is a dead letter", Effect.map(store.deadLetters(queue), ({ length }) => length === 1))
        const [letter] = yield* store.deadLetters(queue)
        assert.deepStrictEqual([text(letter?.payload), letter?.attempts], ["poison", 2])
        assert.include(letter?.failure.cause, "expired")
        yield* nothing(store, queue)
      })
  )

  law("a job that is kept is nobody else's for longer than its ttl", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["long"])
      const job = yield* claim(store, queue, ttl)
      const another = yield* Effect.forkScoped(Effect.scoped(store.claim(queue, { waitFor: ttl * 3 })))
      const ended = yield* store.keep(
        job,
        Effect.andThen(Fiber.join(another), store.settle(job, { _tag: "Completed" }))
      )
      assert.strictEqual(ended, "Completed")
      assert.deepStrictEqual(yield* Fiber.join(another), [])
    }))

  law("what runs for a job is interrupted when its claim is lost", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["a"])
      const job = yield* claim(store, queue, ttl)
      yield* store.settle(job, { _tag: "HandedBack" })
      let steps = 0
      const endless = Effect.forever(Effect.andThen(Effect.sync(() => ++steps), Effect.sleep(1)))
      assert.strictEqual(yield* refused(inTime("it is interrupted", store.keep(job, endless))), "LeaseLost")
    }))
}
