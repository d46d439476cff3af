import { RedisRateLimiterStore } from "@heddle/redis"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { RateLimiter } from "heddle/resilience"
import { provided } from "../../harness/Contender.ts"
import type { Open } from "../../harness/Load.ts"
import { inLanes } from "../lanes.ts"

export const open: Open = async (url) => {
  const context = await provided(RedisRateLimiterStore.layer({ url }))
  const leased = RateLimiter.leased({ name: "leased", limit: 100_000_000, per: "1 minute", batch: 1000 })
  const api = await Effect.runPromiseWith(context)(Scope.provide(leased, Scope.makeUnsafe()))
  return inLanes(Effect.suspend(() => api.take({ key: "customer/7" })))
}
