import type { Effect, Layer, Scope } from "effect"
import { type InvalidOption, Shutdown } from "heddle/lifecycle"
import { expectTypeOf, test } from "vitest"

declare const work: Effect.Effect<number, "mine", "service">
declare const connection: Layer.Layer<"db", "mine", "config">

type Refused = Shutdown.InvalidStep | Shutdown.ShuttingDown | InvalidOption

test("a step needs what its work needs, and its failure is the report's, not the caller's", () => {
  expectTypeOf(Shutdown.step({ name: "a", phase: "drain" })(work)).toEqualTypeOf<
    Effect.Effect<void, Refused, "service" | Shutdown.Shutdown | Scope.Scope>
  >()
})

test("a layer that a step closes gives what it gave", () => {
  expectTypeOf(Shutdown.closing({ name: "db", phase: "close" })(connection)).toEqualTypeOf<
    Layer.Layer<"db", "mine" | Refused, "config" | Shutdown.Shutdown>
  >()
})

test("a program that is run may be stopped", () => {
  expectTypeOf(Shutdown.run(work)).toEqualTypeOf<
    Effect.Effect<number | void, "mine" | Shutdown.Stopped, "service" | Shutdown.Shutdown>
  >()
})

test("there are four phases", () => {
  expectTypeOf<Shutdown.StepOptions["phase"]>().toEqualTypeOf<"stop" | "drain" | "release" | "close">()
})
