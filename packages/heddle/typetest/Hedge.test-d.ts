import type { Effect } from "effect"
import { Hedge, type InvalidOption } from "heddle/flow"
import type { RetryBudget } from "heddle/resilience"
import { expectTypeOf, test } from "vitest"

declare const read: Effect.Effect<number, "mine", "a database">

test("a call that may run twice says so", () => {
  type Options = Hedge.HedgedOptions
  expectTypeOf<{ readonly delay: number }>().not.toExtend<Options>()
  expectTypeOf<{ readonly delay: number; readonly idempotent: false }>().not.toExtend<Options>()
  expectTypeOf<{ readonly delay: number; readonly idempotent: true }>().toExtend<Options>()
})

test("only what has a time can be over it", () => {
  expectTypeOf(Hedge.hedged(read, { idempotent: true, delay: 1 })).toEqualTypeOf<
    Effect.Effect<number, Hedge.AllFailed<"mine"> | InvalidOption, "a database">
  >()
  expectTypeOf(Hedge.hedged(read, { idempotent: true, delay: 1, within: 1 })).toEqualTypeOf<
    Effect.Effect<number, Hedge.AllFailed<"mine"> | Hedge.NoneInTime<"mine"> | InvalidOption, "a database">
  >()
  expectTypeOf(Hedge.quorum(2)([read])).toEqualTypeOf<
    Effect.Effect<ReadonlyArray<number>, Hedge.NoQuorum<"mine"> | InvalidOption, "a database">
  >()
})

test("nothing to try is an error of those that are given a list", () => {
  expectTypeOf(Hedge.firstSuccess([read])).toEqualTypeOf<
    Effect.Effect<number, Hedge.AllFailed<"mine"> | Hedge.NothingToTry | InvalidOption, "a database">
  >()
})

test("a retry budget is a budget", () => {
  expectTypeOf<RetryBudget.RetryBudget>().toExtend<Hedge.Budget>()
})
