/** Heddle's lock on advisory locks. */
import { PostgresAdvisoryLeaseStore } from "@heddle/postgres"
import { DistributedLock } from "heddle/coordination"
import { fromEffects, type Open, provided } from "../../harness/Contender.ts"

export const open: Open = async (url) => {
  const context = await provided(PostgresAdvisoryLeaseStore.layer({ url }))
  return fromEffects((key) => DistributedLock.withLock(key), context)
}
