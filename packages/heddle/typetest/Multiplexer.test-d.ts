import type { Effect, Scope, Stream } from "effect"
import { type InvalidOption, Multiplexer } from "heddle/flow"
import { expectTypeOf, test } from "vitest"

declare const numbers: Stream.Stream<number, "numbers failed", "a database">
declare const texts: Stream.Stream<string, "texts failed", "a file">

test("an element is known by its source", () => {
  const merged = Multiplexer.stream({ sources: { numbers: { stream: numbers }, texts: { stream: texts } } })
  expectTypeOf<Stream.Success<typeof merged>>().toEqualTypeOf<
    { readonly source: "numbers"; readonly value: number } | { readonly source: "texts"; readonly value: string }
  >()
})

test("errors and needs are those of the sources", () => {
  const merged = Multiplexer.stream({ sources: { numbers: { stream: numbers }, texts: { stream: texts } } })
  expectTypeOf<Stream.Error<typeof merged>>().toEqualTypeOf<"numbers failed" | "texts failed" | InvalidOption>()
  expectTypeOf<Stream.Services<typeof merged>>().toEqualTypeOf<"a database" | "a file">()
  const made = Multiplexer.make({ sources: { numbers: { stream: numbers } } })
  expectTypeOf<Effect.Services<typeof made>>().toEqualTypeOf<"a database" | Scope.Scope>()
  expectTypeOf<Effect.Error<typeof made>>().toEqualTypeOf<InvalidOption>()
})

test("a source that is left out when it fails adds no error", () => {
  const merged = Multiplexer.stream({
    sources: { numbers: { stream: numbers, onError: "leaveOut" }, texts: { stream: texts, onError: "continue" } }
  })
  expectTypeOf<Stream.Error<typeof merged>>().toEqualTypeOf<"texts failed" | InvalidOption>()
})

test("stats are told by the names of the sources", () => {
  const made = Multiplexer.make({ sources: { numbers: { stream: numbers }, texts: { stream: texts } } })
  type Stats = Effect.Success<Effect.Success<typeof made>["stats"]>
  expectTypeOf<keyof Stats>().toEqualTypeOf<"numbers" | "texts">()
})

test("no sources give nothing", () => {
  const merged = Multiplexer.stream({ sources: {} })
  expectTypeOf<Stream.Success<typeof merged>>().toBeNever()
})
