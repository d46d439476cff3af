import type { Context } from "effect"
import { Effect, type Layer } from "effect"
import { Cron, type KvEntry } from "heddle/coordination"
import { expectTypeOf, test } from "vitest"

declare const Clockwork: Context.Service<"Clockwork", { readonly now: number }>

test("a schedule does not end for what its ticks fail with", () => {
  const run = Cron.run({ name: "n", schedule: "* * * * *" })((tick) => {
    expectTypeOf(tick.term).toEqualTypeOf<bigint>()
    return Effect.andThen(Effect.asVoid(Clockwork), Effect.fail("mine"))
  })
  expectTypeOf(run).toEqualTypeOf<Effect.Effect<never, Cron.CronError, "Clockwork" | Cron.Needs>>()
})

test("a layer fails for what means nothing alone", () => {
  const layer = Cron.layer({ name: "n", schedule: "* * * * *" })(Effect.void)
  expectTypeOf(layer).toEqualTypeOf<Layer.Layer<never, KvEntry.InvalidKey, Cron.Needs>>()
})
