/** Heddle's lock on leases that are kept in the process. */
import * as Effect from "effect/Effect"
import { DistributedLock, LeaseStore } from "heddle/coordination"
import { fromEffects, type Open, provided } from "../../harness/Contender.ts"

export const open: Open = async () => {
  const context = await provided(LeaseStore.layerMemory)
  return fromEffects((key) => (section) =>
    Effect.provideContext(DistributedLock.withLock(key, { waitFor: Infinity })(section), context)
  )
}
