import { RedisBroker } from "@heddle/redis"

/** The events pass through Redis. */
export const layer = RedisBroker.layer({ url: process.env["HEDDLE_REDIS_URL"] })
