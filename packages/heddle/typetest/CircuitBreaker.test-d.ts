import { Effect } from "effect"
import { CircuitBreaker, type InvalidOption } from "heddle/resilience"
import { expectTypeOf, test } from "vitest"

declare const call: Effect.Effect<number, "mine", "service">

test("a breaker adds its refusal to the errors of the call", () => {
  const made = CircuitBreaker.make({ name: "db" })
  expectTypeOf<Effect.Error<typeof made>>().toEqualTypeOf<InvalidOption>()
  const run = Effect.flatMap(made, (breaker) => breaker.run(call))
  expectTypeOf(run).toEqualTypeOf<
    Effect.Effect<number, "mine" | CircuitBreaker.CircuitOpen | InvalidOption, "service">
  >()
})

test("a breaker that tells errors apart runs calls with those errors alone", () => {
  const run = (breaker: CircuitBreaker.CircuitBreaker<"mine" | "other">) => {
    void breaker.run(call)
    // @ts-expect-error: "strange" is none of them
    void breaker.run(Effect.fail("strange" as const))
  }
  expectTypeOf(run).returns.toBeVoid()
})

test("a circuit of a fleet fails with its store only where that was chosen", () => {
  const local = Effect.flatMap(CircuitBreaker.shared({ name: "db" }), (breaker) => breaker.run(call))
  expectTypeOf<Effect.Error<typeof local>>().toEqualTypeOf<"mine" | CircuitBreaker.CircuitOpen | InvalidOption>()
  const refusing = Effect.flatMap(
    CircuitBreaker.shared({ name: "db", storeDown: "refuse" }),
    (breaker) => breaker.run(call)
  )
  expectTypeOf<Effect.Error<typeof refusing>>().toEqualTypeOf<
    "mine" | CircuitBreaker.CircuitOpen | CircuitBreaker.CircuitStoreDown | InvalidOption
  >()
})
