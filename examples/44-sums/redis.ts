import { RedisJobStore } from "@heddle/redis"

/** The queues live on Redis. */
export const layer = (url: string) => RedisJobStore.layer({ url })
