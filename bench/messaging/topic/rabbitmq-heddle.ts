/** Heddle's `Topic` on `RabbitMqBroker`. */
import { RabbitMqBroker } from "@heddle/rabbitmq"
import { heddle } from "../Subject.ts"

export const open = heddle((url) => RabbitMqBroker.layer({ servers: [url] }))
