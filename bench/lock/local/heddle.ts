/** Heddle's lock on leases that are kept in the process. */
import { DistributedLock, LeaseStore } from "heddle/coordination"
import { fromEffects, type Open, provided } from "../../harness/Contender.ts"

export const open: Open = async () => {
  const context = await provided(LeaseStore.layerMemory)
  return fromEffects((key) => DistributedLock.withLock(key, { waitFor: Infinity }), context)
}
