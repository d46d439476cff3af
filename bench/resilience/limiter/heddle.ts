import * as Effect from "effect/Effect"
import { RateLimiter, RateLimiterStore } from "heddle/resilience"
import type { Load } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

type Algorithm = "window" | "gcra"

const open = (algorithm: Algorithm, load: (api: RateLimiter.RateLimiter) => Load): Promise<Load> =>
  RateLimiter.make({ name: "bench", limit: 100_000_000, per: "1 minute", algorithm }).pipe(
    Effect.map(load),
    Effect.provide(RateLimiterStore.layerMemory),
    Effect.runPromise
  )

/** The effect is made for each call. */
export const limiter = (algorithm: Algorithm): Promise<Load> =>
  open(algorithm, (api) => repeat(Effect.suspend(() => api.take({ key: "customer/7" }))))

/** One effect, run again and again. */
export const prepared = (algorithm: Algorithm): Promise<Load> =>
  open(algorithm, (api) => repeat(api.take({ key: "customer/7" })))
