/** Heddle's lock on etcd. */
import { EtcdLeaseStore } from "@heddle/etcd"
import { DistributedLock } from "heddle/coordination"
import { fromEffects, type Open, provided } from "../../harness/Contender.ts"

export const open: Open = async (url) => {
  const context = await provided(EtcdLeaseStore.layer({ url }))
  return fromEffects((key) => DistributedLock.withLock(key), context)
}
