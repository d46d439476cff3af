import { RedisKvStore } from "@heddle/redis"

/** The keys live on Redis. */
export const layer = (url: string) => RedisKvStore.layer({ url })
