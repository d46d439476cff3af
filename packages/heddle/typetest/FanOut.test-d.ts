import type { Effect, Exit, Scope } from "effect"
import { Stream } from "effect"
import { FanOut, type InvalidOption } from "heddle/flow"
import { expectTypeOf, test } from "vitest"

declare const task: (item: string, index: number) => Effect.Effect<number, "task failed", "a service">
declare const acquire: (item: string) => Effect.Effect<string, never, Scope.Scope>
declare const source: Stream.Stream<string, "source failed", "a database">

const array = ["a", "b"] as const
const workers = 5

test("gather keeps the failures of tasks as values", () => {
  expectTypeOf(FanOut.gather(array, task, { workers })).toEqualTypeOf<
    Effect.Effect<Array<Exit.Exit<number, "task failed">>, InvalidOption, "a service">
  >()
  expectTypeOf(FanOut.gather(source, task, { workers })).toEqualTypeOf<
    Effect.Effect<
      Array<Exit.Exit<number, "task failed">>,
      "source failed" | InvalidOption,
      "a service" | "a database"
    >
  >()
})

test("forEach fails with the failure of a task", () => {
  expectTypeOf(FanOut.forEach(source, task, { workers })).toEqualTypeOf<
    Effect.Effect<Array<number>, "task failed" | "source failed" | InvalidOption, "a service" | "a database">
  >()
})

test("stream gives outcomes, and its reader chooses whether a failure ends it", () => {
  const outcomes = FanOut.stream(array, task, { workers })
  expectTypeOf(outcomes).toEqualTypeOf<
    Stream.Stream<FanOut.Outcome<"a" | "b", number, "task failed">, InvalidOption, "a service">
  >()
  const strict = Stream.mapEffect(outcomes, ({ exit }) => exit)
  expectTypeOf<Stream.Error<typeof strict>>().toEqualTypeOf<"task failed" | InvalidOption>()
})

test("a run belongs to a scope, and its task may use that scope", () => {
  const run = FanOut.start(source, task, { workers })
  expectTypeOf<Effect.Services<typeof run>>().toEqualTypeOf<"a service" | "a database" | Scope.Scope>()
  expectTypeOf<Effect.Success<typeof run>>().toEqualTypeOf<
    FanOut.Run<string, number, "task failed", "source failed">
  >()
})

test("a task that needs a scope leaves it to the caller", () => {
  const gathered = FanOut.gather(array, acquire, { workers })
  expectTypeOf<Effect.Services<typeof gathered>>().toEqualTypeOf<Scope.Scope>()
})

test("how many workers there are is said", () => {
  expectTypeOf<Record<never, never>>().not.toExtend<FanOut.Options>()
  expectTypeOf<{ readonly workers: "unbounded" }>().not.toExtend<FanOut.Options>()
})
