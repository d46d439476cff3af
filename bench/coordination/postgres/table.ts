/** Heddle's lock in tables. */
import { PostgresLeaseStore } from "@heddle/postgres"
import { DistributedLock } from "heddle/coordination"
import { fromEffects, type Open, provided } from "../../harness/Contender.ts"

export const open: Open = async (url) => {
  const context = await provided(PostgresLeaseStore.layer({ url }))
  return fromEffects((key) => DistributedLock.withLock(key), context)
}
