import * as Effect from "effect/Effect"
import { Bulkhead, CircuitBreaker, Policy, Retry } from "heddle/resilience"
import type { Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

export const open: Open = async () => {
  const policy = await Effect.runPromise(Effect.gen(function*() {
    return Policy.compose(
      Policy.fallback("bench", () => Effect.succeed(0)),
      Policy.retry(yield* Retry.make({ name: "bench" })),
      Policy.breaker(yield* CircuitBreaker.make({ name: "bench" })),
      Policy.bulkhead(yield* Bulkhead.make({ name: "bench", running: 100, waiting: 100 })),
      yield* Policy.timeout("1 minute")
    )
  }))
  return repeat(Effect.suspend(() => policy.run(Effect.succeed(1))))
}
