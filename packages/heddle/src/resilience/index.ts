/**
 * Patterns for work that may fail, be slow, or be too much.
 *
 * @since 0.1.0
 */
export { InvalidOption } from "../internal/InvalidOption.ts"
export * as AdaptiveLimiter from "./AdaptiveLimiter.ts"
export * as Bulkhead from "./Bulkhead.ts"
export * as CircuitBreaker from "./CircuitBreaker.ts"
export * as Deadline from "./Deadline.ts"
export * as LoadLevel from "./LoadLevel.ts"
export * as Policy from "./Policy.ts"
export * as RateLimiter from "./RateLimiter.ts"
export * as RateLimiterStore from "./RateLimiterStore.ts"
export * as RateMachine from "./RateMachine.ts"
export * as Retry from "./Retry.ts"
export * as RetryBudget from "./RetryBudget.ts"
export * as Sensor from "./Sensor.ts"
