import { RedisRateLimiterStore } from "@heddle/redis"
import * as Effect from "effect/Effect"
import { RateLimiter } from "heddle/resilience"
import { provided } from "../../harness/Contender.ts"
import type { Load, Open } from "../../harness/Load.ts"
import { inLanes } from "../lanes.ts"

const one = (algorithm: "window" | "gcra") => async (url: string): Promise<Load> => {
  const context = await provided(RedisRateLimiterStore.layer({ url }))
  const options = { name: algorithm, limit: 100_000_000, per: "1 minute", algorithm } as const
  const api = await Effect.runPromiseWith(context)(RateLimiter.make(options))
  return inLanes(Effect.suspend(() => api.take({ key: "customer/7" })))
}

export const open: Open = one("window")
export const gcra: Open = one("gcra")
