import { RabbitMqJobStore } from "@heddle/rabbitmq"

/** The queues are quorum queues of RabbitMQ. */
export const layer = (url: string) => RabbitMqJobStore.layer({ servers: [url] })
