/** Heddle's semaphore of two permits, of which each caller takes both, so that its turns can be told apart. */
import { RedisLeaseStore } from "@heddle/redis"
import { DistributedSemaphore } from "heddle/coordination"
import { fromEffects, type Open, provided } from "../../harness/Contender.ts"

export const open: Open = async (url) => {
  const context = await provided(RedisLeaseStore.layer({ url }))
  return fromEffects((key) => DistributedSemaphore.make({ key, permits: 2 }).withPermits(2), context)
}
