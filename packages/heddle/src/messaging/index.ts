/**
 * Work and messages between processes.
 *
 * @since 0.1.0
 */
export { InvalidOption } from "../internal/InvalidOption.ts"
export * as Broker from "./Broker.ts"
export * as BrokerAbility from "./BrokerAbility.ts"
export * as BrokerBackend from "./BrokerBackend.ts"
export * as Job from "./Job.ts"
export * as JobAbility from "./JobAbility.ts"
export * as JobBackend from "./JobBackend.ts"
export * as JobMachine from "./JobMachine.ts"
export * as JobStore from "./JobStore.ts"
export * as Log from "./Log.ts"
export * as LogBackend from "./LogBackend.ts"
export * as LogEntry from "./LogEntry.ts"
export * as LogMachine from "./LogMachine.ts"
export * as LogStore from "./LogStore.ts"
export * as LogTail from "./LogTail.ts"
export * as Message from "./Message.ts"
export * as PersistedJobs from "./PersistedJobs.ts"
export * as RequestReply from "./RequestReply.ts"
export * as Topic from "./Topic.ts"
export * as WorkQueue from "./WorkQueue.ts"
