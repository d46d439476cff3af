import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { JobAbility, JobStore } from "heddle/messaging"
import { WorkQueue } from "heddle/messaging"
import { describe, expectTypeOf, test } from "vitest"

const queue = WorkQueue.make({ name: "q", payload: Schema.Number, success: Schema.String })

describe("WorkQueue", () => {
  test("a plain job needs no ability", () => {
    const plain = queue.enqueue(1)
    expectTypeOf<Effect.Services<typeof plain>>().toEqualTypeOf<JobStore.JobStore>()
    const named = queue.enqueue(1, { maxAttempts: 3, headers: {} })
    expectTypeOf<Effect.Services<typeof named>>().toEqualTypeOf<JobStore.JobStore>()
  })
  test("each option names the ability that it needs", () => {
    const delayed = queue.enqueue(1, { delay: "1 minute" })
    expectTypeOf<Effect.Services<typeof delayed>>().toEqualTypeOf<JobStore.JobStore | JobAbility.Delay>()
    const ordered = queue.enqueueAll([1], (n) => ({ key: String(n), priority: 1 }))
    expectTypeOf<Effect.Services<typeof ordered>>().toEqualTypeOf<
      JobStore.JobStore | JobAbility.KeyOrder | JobAbility.Priority
    >()
    const once = queue.enqueue(1, { id: "a" })
    expectTypeOf<Effect.Services<typeof once>>().toEqualTypeOf<JobStore.JobStore | JobAbility.Unique>()
  })
  test("options that nobody knows more of need them all", () => {
    const any = (options: WorkQueue.EnqueueOptions) => queue.enqueue(1, options)
    expectTypeOf<Effect.Services<ReturnType<typeof any>>>().toEqualTypeOf<
      JobStore.JobStore | JobAbility.Delay | JobAbility.KeyOrder | JobAbility.Priority | JobAbility.Unique
    >()
  })
  test("who waits for a result needs a store that brings it", () => {
    const sum = queue.enqueueAndAwait(1)
    expectTypeOf<Effect.Services<typeof sum>>().toEqualTypeOf<JobStore.JobStore | JobStore.JobResults>()
    expectTypeOf<Effect.Success<typeof sum>>().toEqualTypeOf<string>()
  })
  test("a handler answers what the schema says", () => {
    expectTypeOf(queue.process<never>).parameter(0).returns.toEqualTypeOf<Effect.Effect<string>>()
    // @ts-expect-error a number is no string
    queue.process((n) => Effect.succeed(n))
  })
  test("who completes a job in a transaction needs a store that can", () => {
    const worker = queue.process((_, task) => Effect.as(Effect.orDie(task.complete("a")), "a"))
    expectTypeOf<Effect.Services<typeof worker>>().toEqualTypeOf<
      JobStore.JobStore | JobAbility.Transactional | Scope.Scope
    >()
    // @ts-expect-error a number is no string
    queue.process((_, task) => Effect.as(Effect.orDie(task.complete(1)), "a"))
  })
})
