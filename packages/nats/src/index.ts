/**
 * Heddle's broker on NATS, and its stores of jobs and logs on JetStream.
 *
 * @since 0.1.0
 */
export * as Nats from "./Nats.ts"
export * as NatsBroker from "./NatsBroker.ts"
export * as NatsJobStore from "./NatsJobStore.ts"
export * as NatsLogStore from "./NatsLogStore.ts"
