import { NatsBroker, NatsJobStore } from "@heddle/nats"

export const jobs = (url: string) => NatsJobStore.layer({ servers: [url] })
export const topics = (url: string) => NatsBroker.layer({ servers: [url] })
