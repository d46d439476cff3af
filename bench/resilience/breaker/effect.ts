import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CircuitBreaker } from "effect/persistence"
import * as Scope from "effect/Scope"
import type { Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

export const circuit = async () => {
  const layer = CircuitBreaker.layer({ tripPolicy: CircuitBreaker.consecutive(5), openDuration: "1 hour" })
  const built = Layer.provide(layer, CircuitBreaker.layerStoreMemory())
  const context = await Effect.runPromise(Layer.buildWithScope(built, Scope.makeUnsafe()))
  return Context.get(context, CircuitBreaker.CircuitBreaker).execute({ key: "bench" })
}

export const open: Open = async () => repeat((await circuit())(Effect.succeed(1)))
