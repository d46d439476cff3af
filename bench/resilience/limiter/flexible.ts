import { RateLimiterMemory } from "rate-limiter-flexible"
import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"

export const open: Open = () => {
  const limiter = new RateLimiterMemory({ points: 100_000_000, duration: 60 })
  return Promise.resolve(repeatAsync(() => limiter.consume("customer/7")))
}
