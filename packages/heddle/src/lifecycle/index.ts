/**
 * How a process begins, says that it is well, and ends without losing what it has accepted.
 *
 * @since 0.1.0
 */
export { InvalidOption } from "../internal/InvalidOption.ts"
export * as Health from "./Health.ts"
export * as HttpDrain from "./HttpDrain.ts"
export * as Shutdown from "./Shutdown.ts"
export * as ShutdownReport from "./ShutdownReport.ts"
export * as Signals from "./Signals.ts"
