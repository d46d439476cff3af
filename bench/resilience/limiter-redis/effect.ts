import { NodeRedis } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { RateLimiter } from "effect/persistence"
import { provided } from "../../harness/Contender.ts"
import type { Open } from "../../harness/Load.ts"
import { inLanes } from "../lanes.ts"

export const open: Open = async (url) => {
  const store = Layer.provide(RateLimiter.layerStoreRedis(), NodeRedis.layer({ url }))
  const limiter = await Effect.runPromiseWith(await provided(store))(RateLimiter.make)
  return inLanes(Effect.suspend(() =>
    limiter.consume({
      algorithm: "fixed-window",
      onExceeded: "fail",
      window: "1 minute",
      limit: 100_000_000,
      key: "customer/7"
    })
  ))
}
