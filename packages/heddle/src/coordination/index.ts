/**
 * Patterns between processes: what they promise does not depend on the backend below.
 *
 * @since 0.1.0
 */
export * as Alarm from "./Alarm.ts"
export * as Barrier from "./Barrier.ts"
export * as CountDownLatch from "./CountDownLatch.ts"
export * as Cron from "./Cron.ts"
export * as DistributedLock from "./DistributedLock.ts"
export * as DistributedSemaphore from "./DistributedSemaphore.ts"
export * as Kv from "./Kv.ts"
export * as KvBackend from "./KvBackend.ts"
export * as KvEntry from "./KvEntry.ts"
export * as KvMachine from "./KvMachine.ts"
export * as KvOutbox from "./KvOutbox.ts"
export * as KvStore from "./KvStore.ts"
export * as KvWatches from "./KvWatches.ts"
export * as LeaderElection from "./LeaderElection.ts"
export * as Lease from "./Lease.ts"
export * as LeaseAbility from "./LeaseAbility.ts"
export * as LeaseBackend from "./LeaseBackend.ts"
export * as LeaseMachine from "./LeaseMachine.ts"
export * as LeaseStore from "./LeaseStore.ts"
export * as Membership from "./Membership.ts"
export * as Once from "./Once.ts"
export * as ReadWriteLock from "./ReadWriteLock.ts"
export * as Singleton from "./Singleton.ts"
