import * as Effect from "effect/Effect"
import { RateLimiter } from "effect/persistence"
import type { Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

export const open: Open = () =>
  Effect.runPromise(
    Effect.map(RateLimiter.make, (limiter) =>
      repeat(Effect.suspend(() =>
        limiter.consume({
          algorithm: "fixed-window",
          onExceeded: "fail",
          window: "1 minute",
          limit: 100_000_000,
          key: "customer/7"
        })
      ))).pipe(Effect.provide(RateLimiter.layerStoreMemory))
  )
