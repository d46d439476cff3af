/** Heddle's lock on Redis. */
import { RedisLeaseStore } from "@heddle/redis"
import * as Effect from "effect/Effect"
import { DistributedLock } from "heddle/coordination"
import { fromEffects, type Open, provided } from "../../harness/Contender.ts"

export const opened = (options: DistributedLock.LockOptions): Open => async (url) => {
  const context = await provided(RedisLeaseStore.layer({ url }))
  return fromEffects((key) => (section) =>
    Effect.provideContext(DistributedLock.withLock(key, options)(section), context)
  )
}

export const open = opened({})
