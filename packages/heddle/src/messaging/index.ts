/**
 * Work and messages between processes.
 *
 * @since 0.1.0
 */
export { InvalidOption } from "../internal/InvalidOption.ts"
export * as Job from "./Job.ts"
export * as JobAbility from "./JobAbility.ts"
export * as JobBackend from "./JobBackend.ts"
export * as JobMachine from "./JobMachine.ts"
export * as JobStore from "./JobStore.ts"
export * as WorkQueue from "./WorkQueue.ts"
