/** Heddle's `WorkQueue` on `RedisJobStore`. */
import { RedisJobStore } from "@heddle/redis"
import { heddle, opening } from "../Queue.ts"

export const connect = heddle((url) => RedisJobStore.layer({ url }))
export const open = opening(connect, import.meta.url)
