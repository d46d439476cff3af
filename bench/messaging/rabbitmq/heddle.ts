/** Heddle's `WorkQueue` on `RabbitMqJobStore`. */
import { RabbitMqJobStore } from "@heddle/rabbitmq"
import { heddle, opening } from "../Queue.ts"

export const connect = heddle((url) => RabbitMqJobStore.layer({ servers: [url] }))
export const open = opening(connect, import.meta.url)
