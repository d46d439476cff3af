import { RedisBroker, RedisJobStore, RedisLeaseStore } from "@heddle/redis"

export const leases = (url: string) => RedisLeaseStore.layer({ url })
export const jobs = (url: string) => RedisJobStore.layer({ url })
export const topics = (url: string) => RedisBroker.layer({ url })
