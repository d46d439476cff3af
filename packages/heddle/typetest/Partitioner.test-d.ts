import type { Effect, Scope } from "effect"
import { type InvalidOption, Partitioner } from "heddle/flow"
import { expectTypeOf, test } from "vitest"

interface Item {
  readonly id: string
}

declare const handle: (item: Item) => Effect.Effect<number, "mine", "a database">

const made = Partitioner.make({ key: (item: Item) => item.id, handle, concurrency: 2 })

test("a partitioner is made with what its handler needs, and its items need nothing more", () => {
  expectTypeOf(made).toEqualTypeOf<
    Effect.Effect<Partitioner.Partitioner<Item, number, "mine">, InvalidOption, "a database" | Scope.Scope>
  >()
})

test("an outcome is typed, and may be a refusal", () => {
  type Outcome = Effect.Effect<number, "mine" | Partitioner.PartitionerClosed>
  type Made = Effect.Success<typeof made>
  expectTypeOf<ReturnType<Made["submit"]>>().toEqualTypeOf<Outcome>()
  expectTypeOf<ReturnType<Made["enqueue"]>>().toEqualTypeOf<Effect.Effect<Outcome, Partitioner.PartitionerClosed>>()
  expectTypeOf<Parameters<Made["submit"]>>().toEqualTypeOf<[item: Item]>()
})

test("how many keys run at a time must be said", () => {
  type Options = Partitioner.Options<Item, number, "mine", never>
  expectTypeOf<Omit<Options, "concurrency">>().not.toExtend<Options>()
  expectTypeOf<Pick<Options, "key" | "handle" | "concurrency">>().toExtend<Options>()
})

test("what is left are items", () => {
  expectTypeOf<Effect.Success<ReturnType<Effect.Success<typeof made>["shutdown"]>>>().toEqualTypeOf<
    Partitioner.Left<Item>
  >()
})
