/**
 * The laws of Heddle's stores: one suite per contract, which every backend runs against its real server.
 *
 * @since 0.1.0
 */
export * from "./BarrierLaws.ts"
export * from "./BrokerLaws.ts"
export * from "./ChaosLaws.ts"
export * from "./CountDownLatchLaws.ts"
export * from "./CronLaws.ts"
export * from "./DistributedSemaphoreLaws.ts"
export * from "./JobProcessLaws.ts"
export * from "./JobStoreLaws.ts"
export * as JobTwin from "./JobTwin.ts"
export * from "./KvLaws.ts"
export * from "./KvStoreLaws.ts"
export * from "./LeaderElectionLaws.ts"
export * from "./LeaseStoreLaws.ts"
export * from "./LogLaws.ts"
export * from "./MembershipLaws.ts"
export * from "./OnceLaws.ts"
export * from "./RateLimiterLaws.ts"
export * from "./ReadWriteLockLaws.ts"
