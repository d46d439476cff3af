import { RedisLeaseStore } from "@heddle/redis"

/** The lock lives on Redis. */
export const layer = (url: string) => RedisLeaseStore.layer({ url })
