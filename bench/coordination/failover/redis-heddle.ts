/** Heddle's election on Redis. */
import { RedisLeaseStore } from "@heddle/redis"
import { elected } from "./heddle.ts"

export const sit = elected((url) => RedisLeaseStore.layer({ url }))
