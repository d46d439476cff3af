import { NatsJobStore } from "@heddle/nats"

/** The queue is a log on a NATS server with JetStream. */
export const layer = (url: string) => NatsJobStore.layer({ servers: [url] })
