import { NodeRedis } from "@effect/platform-node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CircuitBreaker } from "effect/persistence"
import { provided } from "../../harness/Contender.ts"
import type { Open } from "../../harness/Load.ts"
import { inLanes } from "../lanes.ts"

export const open: Open = async (url) => {
  const store = Layer.provide(CircuitBreaker.layerStoreRedis(), NodeRedis.layer({ url }))
  const layer = CircuitBreaker.layer({ tripPolicy: CircuitBreaker.consecutive(5), openDuration: "1 hour" })
  const context = await provided(Layer.provide(layer, store))
  const guarded = Context.get(context, CircuitBreaker.CircuitBreaker).execute({ key: "bench" })
  return inLanes(Effect.suspend(() => guarded(Effect.succeed(1))))
}
