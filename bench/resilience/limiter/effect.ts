import * as Effect from "effect/Effect"
import { RateLimiter } from "effect/persistence"
import type { Load, Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

export const limiter = (load: (consume: () => Effect.Effect<unknown, unknown>) => Load): Promise<Load> =>
  Effect.map(RateLimiter.make, (limiter) =>
    load(() =>
      limiter.consume({
        algorithm: "fixed-window",
        onExceeded: "fail",
        window: "1 minute",
        limit: 100_000_000,
        key: "customer/7"
      })
    )).pipe(Effect.provide(RateLimiter.layerStoreMemory), Effect.runPromise)

export const open: Open = () => limiter((consume) => repeat(Effect.suspend(consume)))
