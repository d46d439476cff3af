import * as Effect from "effect/Effect"
import { CircuitBreaker } from "heddle/resilience"
import type { Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

export const open: Open = async () => {
  const breaker = await Effect.runPromise(CircuitBreaker.make({ name: "bench" }))
  return repeat(breaker.run(Effect.succeed(1)))
}
