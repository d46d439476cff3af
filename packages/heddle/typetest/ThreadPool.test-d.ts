import { type Effect, Schema } from "effect"
import { type PoolError, ThreadPool } from "heddle/flow"
import { expectTypeOf, test } from "vitest"

class Odd extends Schema.TaggedError<Odd>()("Odd", {}) {}

const tasks = {
  half: ThreadPool.task({ payload: Schema.Int, success: Schema.String, error: Odd }),
  log: ThreadPool.task({ payload: Schema.DateFromString })
}

declare const pool: ThreadPool.ThreadPool<typeof tasks>

test("a task's payload, result and failure are typed by its schemas", () => {
  expectTypeOf(pool.submit("half", 2)).toEqualTypeOf<Effect.Effect<string, Odd | ThreadPool.Refusal>>()
  expectTypeOf(pool.submit("log", new Date())).toEqualTypeOf<Effect.Effect<void, ThreadPool.Refusal>>()
  expectTypeOf(pool.submit("half", 2, { deadline: 1 })).toEqualTypeOf<
    Effect.Effect<string, Odd | ThreadPool.Refusal | PoolError.TaskTimeout>
  >()
})

test("a thread handles every task of the group, as its schemas say", () => {
  type Handlers = ThreadPool.Handlers<typeof tasks, never>
  expectTypeOf<{ readonly half: (n: number) => Effect.Effect<string> }>().not.toExtend<Handlers>()
  expectTypeOf<{
    readonly half: (n: number) => Effect.Effect<string, Odd>
    readonly log: (at: Date) => Effect.Effect<void>
  }>().toExtend<Handlers>()
  expectTypeOf<{
    readonly half: (n: number) => Effect.Effect<number>
    readonly log: (at: Date) => Effect.Effect<void>
  }>().not.toExtend<Handlers>()
})
