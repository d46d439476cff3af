import { Effect } from "effect"
import { Bulkhead, type InvalidOption } from "heddle/resilience"
import { expectTypeOf, test } from "vitest"

declare const call: Effect.Effect<number, "mine", "service">

test("a bulkhead adds its refusals to the errors of the call", () => {
  const run = Effect.flatMap(Bulkhead.make({ name: "db", running: 1 }), (bulkhead) => bulkhead.run(call))
  expectTypeOf(run).toEqualTypeOf<
    Effect.Effect<number, "mine" | Bulkhead.BulkheadFull | Bulkhead.BulkheadTimeout | InvalidOption, "service">
  >()
})
