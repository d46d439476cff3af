/** A thousand steps of Effect a turn, inside one section of Heddle's lock, where each step looks at the deadline. */
import * as Effect from "effect/Effect"
import { DistributedLock, LeaseStore } from "heddle/coordination"
import { type Open, provided } from "../../harness/Contender.ts"
import { steps } from "./steps.ts"

export const open: Open = async () => {
  const context = await provided(LeaseStore.layerMemory)
  return steps((all) => Effect.provideContext(DistributedLock.withLock("steps")(all), context))
}
