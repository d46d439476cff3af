import { Effect, Schema } from "effect"
import {
  type Bulkhead,
  type CircuitBreaker,
  type Deadline,
  type InvalidOption,
  Policy,
  type RateLimiter,
  type Retry
} from "heddle/resilience"
import { expectTypeOf, test } from "vitest"

declare const call: Effect.Effect<number, "mine", "service">
declare const timeout: Policy.Policy<Deadline.DeadlineExceeded>
declare const anyRetry: Retry.Retry
declare const breaker: CircuitBreaker.CircuitBreaker
declare const bulkhead: Bulkhead.Bulkhead

const full = Policy.compose(
  timeout,
  Policy.retry(anyRetry),
  Policy.breaker(breaker),
  Policy.bulkhead(bulkhead)
)

test("a policy fails as the call does, and as its layers do", () => {
  expectTypeOf(full.run(call)).toEqualTypeOf<
    Effect.Effect<
      number,
      | "mine"
      | Deadline.DeadlineExceeded
      | CircuitBreaker.CircuitOpen
      | Bulkhead.BulkheadFull
      | Bulkhead.BulkheadTimeout,
      "service"
    >
  >()
  expectTypeOf(Policy.none.run(call)).toEqualTypeOf<typeof call>()
  expectTypeOf(Policy.compose()).toEqualTypeOf<Policy.Policy>()
})

test("a fallback takes away what is inside of it, and nothing that is outside", () => {
  const cache = Policy.fallback("cache", () => Effect.fail("no cache" as const))
  expectTypeOf(Policy.compose(cache, full).run(call)).toEqualTypeOf<Effect.Effect<number, "no cache", "service">>()
  expectTypeOf(Policy.compose(timeout, cache, full).run(call)).toEqualTypeOf<
    Effect.Effect<number, "no cache" | Deadline.DeadlineExceeded, "service">
  >()
  const open = Policy.fallbackFor("rest", ["CircuitOpen", "BulkheadFull"], () => Effect.succeed("rests"))
  expectTypeOf(Policy.compose(open, full).run(call)).toEqualTypeOf<
    Effect.Effect<number | string, "mine" | Deadline.DeadlineExceeded | Bulkhead.BulkheadTimeout, "service">
  >()
  expectTypeOf(Policy.compose(full, open).run(call)).toEqualTypeOf<
    Effect.Effect<
      number | string,
      | "mine"
      | Deadline.DeadlineExceeded
      | CircuitBreaker.CircuitOpen
      | Bulkhead.BulkheadFull
      | Bulkhead.BulkheadTimeout,
      "service"
    >
  >()
})

test("how a composition is bracketed makes no difference to its type", () => {
  const open = Policy.fallbackFor("rest", ["CircuitOpen"], () => Effect.fail("rests" as const))
  const inner = Policy.breaker(breaker)
  const left = Policy.compose(Policy.compose(timeout, open), inner)
  const right = Policy.compose(timeout, Policy.compose(open, inner))
  expectTypeOf(left).toEqualTypeOf(right)
  expectTypeOf(left.run(call)).toEqualTypeOf(right.run(call))
  expectTypeOf(left.run(call)).toEqualTypeOf(Policy.compose(timeout, open, inner).run(call))
  expectTypeOf(Policy.compose(Policy.none, inner)).toEqualTypeOf(Policy.compose(inner, Policy.none))
})

test("a layer that tells failures apart runs calls with those alone, and stands around layers that add no others", () => {
  const run = (mine: Retry.Retry<"mine">, also: Retry.Retry<"mine" | CircuitBreaker.CircuitOpen>) => {
    expectTypeOf(Policy.retry(mine).run(call)).toEqualTypeOf<typeof call>()
    // @ts-expect-error: "strange" is none of them
    void Policy.retry(mine).run(Effect.fail("strange" as const))
    // @ts-expect-error: the breaker adds CircuitOpen
    void Policy.compose(Policy.retry(mine), Policy.breaker(breaker))
    const outside = Policy.compose(Policy.retry(also), Policy.breaker(breaker))
    expectTypeOf(outside.run(call)).toEqualTypeOf<
      Effect.Effect<number, "mine" | CircuitBreaker.CircuitOpen, "service">
    >()
    // @ts-expect-error: "strange" reaches the retry
    void outside.run(Effect.fail("strange" as const))
    const cured = Policy.compose(Policy.retry(mine), Policy.fallback("cure", () => Effect.succeed(1)))
    expectTypeOf(cured.run(Effect.fail("strange" as const))).toEqualTypeOf<Effect.Effect<number>>()
  }
  expectTypeOf(run).returns.toBeVoid()
})

test("a cache answers what it keeps beside what a call answers, and a rate limiter adds its refusals", () => {
  const cache = Policy.cache({ name: "c", timeToLive: 1, keeps: Schema.is(Schema.String) })
  expectTypeOf(cache).toEqualTypeOf<Effect.Effect<Policy.Policy<never, never, unknown, string>, InvalidOption>>()
  const run = (kept: Effect.Success<typeof cache>, limiter: RateLimiter.RateLimiter) => {
    expectTypeOf(kept.run(call)).toEqualTypeOf<Effect.Effect<number | string, "mine", "service">>()
    expectTypeOf(Policy.compose(kept, Policy.rateLimiter(limiter)).run(call)).toEqualTypeOf<
      Effect.Effect<number | string, "mine" | RateLimiter.Refusal, "service">
    >()
    // @ts-expect-error: what is kept must be told from what is not
    void Policy.cache({ name: "c", timeToLive: 1, keeps: () => true })
  }
  expectTypeOf(run).returns.toBeVoid()
})

test("faults add what they bring in, and a layer of one's own what its function does", () => {
  const faults = Policy.faults({
    name: "f",
    failure: { rate: 1, error: "down" as const },
    outcome: { rate: 1, value: true }
  })
  expectTypeOf(faults).toEqualTypeOf<
    Effect.Effect<Policy.Policy<"down", never, unknown, boolean>, InvalidOption>
  >()
  const own = { kind: "other", name: "own", worst: (inner: Policy.Worst) => inner } as const
  void Policy.layer<Bulkhead.BulkheadFull | Bulkhead.BulkheadTimeout>(own, bulkhead.run)
  // @ts-expect-error: it adds failures
  void Policy.layer(own, bulkhead.run)
})

test("a policy is exchanged for one of its type", () => {
  const exchange = (mine: Policy.Exchangeable<CircuitBreaker.CircuitOpen>) => {
    void mine.exchange(Policy.breaker(breaker))
    void mine.exchange(Policy.none)
    // @ts-expect-error: it fails with more
    void mine.exchange(timeout)
    expectTypeOf(mine.policy.run(call)).toEqualTypeOf<
      Effect.Effect<number, "mine" | CircuitBreaker.CircuitOpen, "service">
    >()
  }
  expectTypeOf(exchange).returns.toBeVoid()
})

test("a policy that adds less or takes away more stands where one that adds more or takes away less does", () => {
  const cured: Policy.Policy<never, unknown> = Policy.fallback("cure", () => Effect.never)
  const takesLess: Policy.Policy<"down"> = cured
  // @ts-expect-error: it takes nothing away
  const takesMore: Policy.Policy<never, unknown> = Policy.none
  expectTypeOf([takesLess, takesMore]).toBeArray()
})
