import { Redis, RedisBroker, RedisLogStore } from "@heddle/redis"
import * as Layer from "effect/Layer"

/** What is said is kept on Redis, and presence passes through it. */
export const layer = Layer.merge(RedisLogStore.layerFrom(), RedisBroker.layerFrom()).pipe(
  Layer.provide(Redis.layer({ url: process.env["HEDDLE_REDIS_URL"] }))
)
