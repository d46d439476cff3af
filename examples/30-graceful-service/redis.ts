import { RedisLeaseStore } from "@heddle/redis"

/** The lease lives on Redis. */
export const layer = RedisLeaseStore.layer({ url: process.env["HEDDLE_REDIS_URL"] })
