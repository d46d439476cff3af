/**
 * Heddle's stores on Redis.
 *
 * @since 0.1.0
 */
export * as Redis from "./Redis.ts"
export * as RedisBroker from "./RedisBroker.ts"
export * as RedisCircuitBreakerStore from "./RedisCircuitBreakerStore.ts"
export * as RedisJobStore from "./RedisJobStore.ts"
export * as RedisKvStore from "./RedisKvStore.ts"
export * as RedisLeaseStore from "./RedisLeaseStore.ts"
export * as RedisLogStore from "./RedisLogStore.ts"
export * as RedisRateLimiterStore from "./RedisRateLimiterStore.ts"
export * as RedlockLeaseStore from "./RedlockLeaseStore.ts"
