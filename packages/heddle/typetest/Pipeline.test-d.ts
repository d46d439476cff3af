import { Duration, Effect, type Scope, type Stream } from "effect"
import { type InvalidOption, Pipeline } from "heddle/flow"
import { expectTypeOf, test } from "vitest"

declare const parse: (text: string) => Effect.Effect<number, "not a number", "a parser">
declare const store: (n: number) => Effect.Effect<boolean, "store is down", "a store">
declare const texts: Stream.Stream<string, "source failed", "a file">
declare const dates: Stream.Stream<Date>
declare const tell: (failed: Pipeline.Failed<string, "not a number" | Pipeline.StageTimeout>) => Effect.Effect<
  void,
  never,
  "a sink"
>

test("stages follow each other by type", () => {
  const pipeline = Pipeline.make<string>().pipe(Pipeline.stage("parse", parse), Pipeline.stage("store", store))
  expectTypeOf(pipeline).toEqualTypeOf<
    Pipeline.Pipeline<string, boolean, "not a number" | "store is down" | Pipeline.StageDied, "a parser" | "a store">
  >()
  // @ts-expect-error: what comes in is text
  Pipeline.make<string>().pipe(Pipeline.stage("store", store))
  // @ts-expect-error: a source of dates is none of texts
  Pipeline.stream(pipeline, dates)
})

test("what is skipped adds no error, what is routed only that of its sink", () => {
  const skipping = Pipeline.make<string>().pipe(Pipeline.stage("parse", parse, { onError: "skip" }))
  expectTypeOf(skipping).toEqualTypeOf<Pipeline.Pipeline<string, number, never, "a parser">>()
  const routing = Pipeline.make<string>().pipe(Pipeline.stage("parse", parse, { onError: { route: tell } }))
  expectTypeOf(routing).toEqualTypeOf<
    Pipeline.Pipeline<string, number, Pipeline.StageDied, "a parser" | "a sink">
  >()
})

test("a time limit adds its error, and only that", () => {
  const limited = Pipeline.make<string>().pipe(Pipeline.stage("parse", parse, { timeout: Duration.seconds(1) }))
  type Errors = "not a number" | Pipeline.StageDied | Pipeline.StageTimeout
  expectTypeOf(limited).toEqualTypeOf<Pipeline.Pipeline<string, number, Errors, "a parser">>()
})

test("functions in place are told what comes in", () => {
  Pipeline.make<string>().pipe(
    Pipeline.stage("length", (text) => {
      expectTypeOf(text).toEqualTypeOf<string>()
      return Effect.succeed(text.length)
    }),
    Pipeline.stage("key", (n) => Effect.succeed(n), {
      order: {
        key: (n) => {
          expectTypeOf(n).toEqualTypeOf<number>()
          return n
        }
      }
    })
  )
})

test("a sink's failures are not swallowed", () => {
  const failing = (): Effect.Effect<void, "sink failed"> => Effect.fail("sink failed")
  expectTypeOf(failing).not.toExtend<Pipeline.Route<string, "not a number", never>["route"]>()
  // @ts-expect-error: a sink handles its own errors
  Pipeline.make<string>().pipe(Pipeline.stage("parse", parse, { onError: { route: failing } }))
})

test("a run has the errors and needs of its source too", () => {
  const pipeline = Pipeline.make<string>().pipe(Pipeline.stage("parse", parse, { onError: "skip" }))
  const started = Pipeline.start(pipeline, texts)
  expectTypeOf<Effect.Error<typeof started>>().toEqualTypeOf<InvalidOption>()
  expectTypeOf<Effect.Services<typeof started>>().toEqualTypeOf<"a parser" | "a file" | Scope.Scope>()
  expectTypeOf(Pipeline.stream(pipeline, texts)).toEqualTypeOf<
    Stream.Stream<number, "source failed" | InvalidOption, "a parser" | "a file">
  >()
})
