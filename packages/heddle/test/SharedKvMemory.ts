import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { KvStore } from "heddle/coordination"
import { memorySteps } from "../src/coordination/internal/kvMemory.ts"

const steps = await Effect.runPromise(Scope.provide(memorySteps(), Scope.makeUnsafe()))

/** Stores that share one memory, as processes share a server. */
export const layer = KvStore.layerOf({ backend: "memory", steps: () => Effect.succeed(steps) })
