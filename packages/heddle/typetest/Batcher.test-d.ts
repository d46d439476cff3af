import type { Array, Effect, Exit, Scope, Stream } from "effect"
import { Batcher, type InvalidOption } from "heddle/flow"
import { expectTypeOf, test } from "vitest"

declare const run: (
  ids: Array.NonEmptyReadonlyArray<number>
) => Effect.Effect<ReadonlyArray<Exit.Exit<string, "mine">>, "mine", "a database">
declare const ids: Stream.Stream<number, "source", "a file">

const made = Batcher.make({ run, maxSize: 10 })
type Made = Effect.Success<typeof made>

test("a batcher is made with what its batches need, and its items need nothing more", () => {
  expectTypeOf(made).toEqualTypeOf<
    Effect.Effect<Batcher.Batcher<number, string, "mine">, InvalidOption, "a database" | Scope.Scope>
  >()
})

test("an outcome is typed, and may be a refusal", () => {
  type Outcome = Effect.Effect<string, "mine" | Batcher.BatcherClosed>
  expectTypeOf<ReturnType<Made["submit"]>>().toEqualTypeOf<Outcome>()
  expectTypeOf<ReturnType<Made["enqueue"]>>().toEqualTypeOf<Effect.Effect<Outcome, Batcher.BatcherClosed>>()
})

test("only what is weighed can be too heavy", () => {
  const weighed = Batcher.makeWeighted({ run, maxSize: 10, weight: (id) => id, maxWeight: 100 })
  expectTypeOf<Effect.Success<typeof weighed>>().toEqualTypeOf<
    Batcher.Batcher<number, string, "mine" | Batcher.TooHeavy>
  >()
  expectTypeOf<{ readonly weight: (id: number) => number }>().not.toExtend<Batcher.Weighted<number>>()
})

test("a stream of outcomes fails as its source, its items and the batcher do", () => {
  const through = (batcher: Made) => ids.pipe(batcher.through)
  expectTypeOf(through).returns.toEqualTypeOf<
    Stream.Stream<string, "source" | "mine" | Batcher.BatcherClosed, "a file">
  >()
})

test("how many go together must be said", () => {
  type Options = Batcher.Options<number, string, "mine", never>
  expectTypeOf<Pick<Options, "run">>().not.toExtend<Options>()
  expectTypeOf<Pick<Options, "run" | "maxSize">>().toExtend<Options>()
})
