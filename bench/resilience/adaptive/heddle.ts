import * as Effect from "effect/Effect"
import { AdaptiveLimiter } from "heddle/resilience"
import type { Load, Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

const following = (rule: AdaptiveLimiter.Rule) => async (): Promise<Load> => {
  const limiter = await Effect.runPromise(AdaptiveLimiter.make({ name: "bench", rule }))
  return repeat(Effect.suspend(() => limiter.run(Effect.succeed(1))))
}

export const open: Open = following(AdaptiveLimiter.gradient())
export const aimd: Open = following(AdaptiveLimiter.aimd({ slow: "1 second" }))
