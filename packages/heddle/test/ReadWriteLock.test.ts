import { readWriteLockLaws } from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { LeaseAbility } from "heddle/coordination"
import * as SharedMemory from "./SharedMemory.ts"

const { layer } = await Effect.runPromise(Scope.provide(SharedMemory.make, Scope.makeUnsafe()))

readWriteLockLaws("memory", Layer.merge(layer, LeaseAbility.layerAll), { resizable: true })
