import * as Effect from "effect/Effect"
import { RateLimiter, RateLimiterStore } from "heddle/resilience"
import type { Load } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

export const limiter = (algorithm: "window" | "gcra"): Promise<Load> =>
  Effect.runPromise(
    Effect.gen(function*() {
      const api = yield* RateLimiter.make({ name: "bench", limit: 100_000_000, per: "1 minute", algorithm })
      return repeat(Effect.suspend(() => api.take({ key: "customer/7" })))
    }).pipe(Effect.provide(RateLimiterStore.layerMemory))
  )
