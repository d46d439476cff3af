/** Heddle's `WorkQueue` on `NatsJobStore`. */
import { NatsJobStore } from "@heddle/nats"
import { heddle, opening } from "../Queue.ts"

export const connect = heddle((url) => NatsJobStore.layer({ servers: [url] }))
export const open = opening(connect, import.meta.url)
