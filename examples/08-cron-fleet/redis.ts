import { RedisKvStore, RedisLeaseStore } from "@heddle/redis"
import * as Layer from "effect/Layer"

/** Who leads, and the last tick, live on Redis. */
export const layer = (url: string) => Layer.merge(RedisLeaseStore.layer({ url }), RedisKvStore.layer({ url }))
