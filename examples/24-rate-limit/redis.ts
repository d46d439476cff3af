import { RedisRateLimiterStore } from "@heddle/redis"

/** The turns are counted on Redis, for a fleet. */
export const layer = RedisRateLimiterStore.layer({ url: process.env["HEDDLE_REDIS_URL"] })
