import { RedisCircuitBreakerStore } from "@heddle/redis"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { CircuitBreaker } from "heddle/resilience"
import { provided } from "../../harness/Contender.ts"
import type { Open } from "../../harness/Load.ts"
import { inLanes } from "../lanes.ts"

export const open: Open = async (url) => {
  const context = await provided(RedisCircuitBreakerStore.layer({ url }))
  const shared = CircuitBreaker.shared({ name: "bench", trip: CircuitBreaker.consecutive(5) })
  const breaker = await Effect.runPromiseWith(context)(Scope.provide(shared, Scope.makeUnsafe()))
  return inLanes(Effect.suspend(() => breaker.run(Effect.succeed(1))))
}
