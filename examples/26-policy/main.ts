// A search service guards its index with seven layers, and tries them out against faults that it makes itself.
//   node --conditions=@heddle/source examples/26-policy/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import { Bulkhead, CircuitBreaker, Policy, RateLimiter, RateLimiterStore, Retry } from "heddle/resilience"
import { fileURLToPath } from "node:url"

/**
 * Outermost first: an old answer in any case, 2 seconds in all, the last answer of the same words for a moment, no more calls than the
 * index sells, 3 attempts, each counted by the breaker and bounded.
 */
const guards = Effect.gen(function*() {
  const retry = yield* Retry.make({ name: "index", times: 2, longest: "200 millis" })
  const breaker = yield* CircuitBreaker.make({ name: "index", openFor: "1 second" })
  const bulkhead = yield* Bulkhead.make({ name: "index", running: 10 })
  const limiter = yield* RateLimiter.make({ name: "index", limit: 100, per: "1 second" })
  return Policy.compose(
    Policy.fallback("old answer", () => Effect.succeed("old")),
    yield* Policy.timeout("2 seconds", "search"),
    yield* Policy.cache({ name: "answers", timeToLive: "200 millis", keeps: Schema.is(Schema.Literal("fresh")) }),
    Policy.rateLimiter(limiter, { waitFor: "100 millis" }),
    Policy.retry(retry),
    Policy.breaker(breaker),
    Policy.bulkhead(bulkhead),
    yield* Policy.timeout("300 millis", "attempt")
  )
})

/** A hundred searches: at first the index is well; then it is slow and fails; then it is well again. */
export const scene = Effect.gen(function*() {
  const policy = yield* guards
  const faults = yield* Policy.faults({
    name: "bad day",
    latency: { rate: 0.3, time: "1 second" },
    failure: { rate: 0.4, error: "down" as const }
  })
  // What stands in the innermost place can be exchanged while searches run.
  const weather = yield* Policy.exchangeable<"down", never, unknown, never, never>(Policy.none)
  let reached = 0
  const index = Effect.suspend(() => {
    reached++
    return Effect.as(Effect.sleep("20 millis"), "fresh" as const)
  })
  const search = (words: string) =>
    Policy.compose(policy, weather.policy).run(index).pipe(Effect.provideService(Policy.CacheKey, words))
  /** Everybody looks for one of the same five words. */
  const searches = (count: number) =>
    Effect.forEach(
      Array.from({ length: count }),
      (_, caller) => Effect.delay(search(`word ${caller % 5}`), "10 millis")
    )

  const before = yield* searches(25)
  yield* weather.exchange(faults)
  const during = yield* searches(50)
  yield* weather.exchange(Policy.none)
  yield* Effect.sleep("1 second")
  const after = yield* searches(25)
  return { policy, before, during, after, reached }
}).pipe(Effect.provide(RateLimiterStore.layerMemory), Random.withSeed("a bad day"))

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.gen(function*() {
    const { after, before, during, policy, reached } = yield* scene
    yield* Console.log(`${Policy.describe(policy).text}\n`)
    for (const [when, answers] of Object.entries({ before, during, after })) {
      const fresh = answers.filter((answer) => answer === "fresh").length
      yield* Console.log(`${when.padEnd(7)} ${fresh} fresh, ${answers.length - fresh} old`)
    }
    yield* Console.log(`the index was reached ${reached} times`)
    yield* Console.log(`mistakes: ${Policy.warnings(policy).length}`)
  }))
}
