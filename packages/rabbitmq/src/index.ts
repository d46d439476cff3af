/**
 * Heddle's broker and job store on RabbitMQ.
 *
 * @since 0.1.0
 */
export * as RabbitMq from "./RabbitMq.ts"
export * as RabbitMqBroker from "./RabbitMqBroker.ts"
export * as RabbitMqJobStore from "./RabbitMqJobStore.ts"
