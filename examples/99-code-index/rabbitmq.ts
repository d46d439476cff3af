import { RabbitMqBroker } from "@heddle/rabbitmq"

export const topics = (url: string) => RabbitMqBroker.layer({ servers: [url] })
