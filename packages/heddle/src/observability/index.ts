/**
 * What an app can see of itself: metrics and traces, fibers that are left, and who waits for whom.
 *
 * @since 0.1.0
 */
export { InvalidOption } from "../internal/InvalidOption.ts"
export * as Contention from "./Contention.ts"
export * as FiberLeaks from "./FiberLeaks.ts"
export * as Telemetry from "./Telemetry.ts"
