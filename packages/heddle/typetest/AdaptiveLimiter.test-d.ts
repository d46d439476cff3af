import { Effect } from "effect"
import { AdaptiveLimiter, type InvalidOption, Policy } from "heddle/resilience"
import { expectTypeOf, test } from "vitest"

declare const call: Effect.Effect<number, "mine", "service">

test("a limiter adds its refusal to the errors of the call", () => {
  const run = Effect.flatMap(AdaptiveLimiter.make({ name: "db" }), (limiter) => limiter.run(call))
  expectTypeOf(run).toEqualTypeOf<
    Effect.Effect<number, "mine" | AdaptiveLimiter.LimitReached | InvalidOption, "service">
  >()
})

test("a limiter knows the names of its partitions", () => {
  const made = AdaptiveLimiter.make({ name: "db", partitions: { live: 0.8, batch: 0.1 } })
  const use = (limiter: Effect.Success<typeof made>) => {
    expectTypeOf(limiter).toEqualTypeOf<AdaptiveLimiter.AdaptiveLimiter<"live" | "batch">>()
    expectTypeOf(limiter.partition("live")(call)).toEqualTypeOf<
      Effect.Effect<number, "mine" | AdaptiveLimiter.LimitReached, "service">
    >()
    // @ts-expect-error: there is no such partition
    void limiter.partition("night")
  }
  expectTypeOf(use).returns.toBeVoid()
})

test("a limiter is a layer of a policy", () => {
  const use = (limiter: AdaptiveLimiter.AdaptiveLimiter) => {
    expectTypeOf(Policy.limiter(limiter)).toEqualTypeOf<Policy.Policy<AdaptiveLimiter.LimitReached>>()
  }
  expectTypeOf(use).returns.toBeVoid()
})
