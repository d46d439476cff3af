import { Redis } from "ioredis"
import { RateLimiterRedis } from "rate-limiter-flexible"
import type { Open } from "../../harness/Load.ts"
import { inLanesAsync } from "../lanes.ts"

export const open: Open = (url) => {
  const limiter = new RateLimiterRedis({ storeClient: new Redis(url), points: 100_000_000, duration: 60 })
  return Promise.resolve(inLanesAsync(() => limiter.consume("customer/7")))
}
