/** Heddle's lock on Redis. */
import { RedisLeaseStore } from "@heddle/redis"
import { DistributedLock } from "heddle/coordination"
import { fromEffects, type Open, provided } from "../../harness/Contender.ts"

export const opened = (options: DistributedLock.LockOptions): Open => async (url) => {
  const context = await provided(RedisLeaseStore.layer({ url }))
  return fromEffects((key) => DistributedLock.withLock(key, options), context)
}

export const open = opened({})
