/**
 * Patterns for work that may fail, be slow, or be too much.
 *
 * @since 0.1.0
 */
export * as CircuitBreaker from "./CircuitBreaker.ts"
export { InvalidOption } from "./InvalidOption.ts"
