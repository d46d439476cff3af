import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { CircuitBreaker, Policy, Retry } from "heddle/resilience"
import type * as Tally from "../01-one-at-a-time/tally.ts"
import { kindsOf } from "./entry.ts"

/** The catalogue does not answer. */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {}) {
  override get message(): string {
    return "the catalogue does not answer"
  }
}

/** A service that says which kinds of exports a source has. It has a bad moment: calls 21 to 24 fail. */
const service = Effect.sync(() => {
  let calls = 0
  return (source: string): Effect.Effect<Tally.Tally, Unavailable> =>
    Effect.suspend(() => {
      const isBad = ++calls > 20 && calls <= 24
      return Effect.delay(isBad ? new Unavailable() : Effect.sync(() => kindsOf(source)), "3 millis")
    })
})

/**
 * The service as a worker calls it, and its circuit: outermost three retries, each counted by the breaker, and bounded. What fails
 * all the same fails its job, which comes back to the queue.
 */
export const make = Effect.gen(function*() {
  const ask = yield* service
  const retry = yield* Retry.make<{ readonly _tag: string; readonly retryAfter?: number }>({
    name: "catalogue",
    schedule: Schedule.spaced("50 millis"),
    retryAfter: ({ retryAfter }) => retryAfter,
    longest: "1 second"
  })
  const breaker = yield* CircuitBreaker.make({
    name: "catalogue",
    trip: CircuitBreaker.consecutive(3),
    openFor: "200 millis",
    successes: 2
  })
  const policy = Policy.compose(
    Policy.retry(retry),
    Policy.breaker(breaker),
    yield* Policy.timeout("2 seconds", "attempt")
  )
  return { kindsOf: (source: string) => policy.run(ask(source)), changes: breaker.changes }
})
