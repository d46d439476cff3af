import { RedisJobStore } from "@heddle/redis"

/** The queue lives on Redis. */
export const layer = (url: string) => RedisJobStore.layer({ url })
