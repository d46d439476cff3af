/**
 * Heddle's broker on NATS.
 *
 * @since 0.1.0
 */
export * as Nats from "./Nats.ts"
export * as NatsBroker from "./NatsBroker.ts"
