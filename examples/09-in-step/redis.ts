import { RedisKvStore } from "@heddle/redis"

/** The keys live on Redis. */
export const layer = RedisKvStore.layer({ url: process.env["HEDDLE_REDIS_URL"] })
