import * as Effect from "effect/Effect"
import { CircuitBreaker } from "heddle/resilience"
import type { Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

export const open: Open = async () => {
  const breaker = await Effect.runPromise(CircuitBreaker.make({ name: "bench", openFor: "1 hour" }))
  await Effect.runPromise(Effect.repeat(Effect.exit(breaker.run(Effect.fail("bad"))), { times: 4 }))
  return repeat(Effect.exit(breaker.run(Effect.succeed(1))))
}
