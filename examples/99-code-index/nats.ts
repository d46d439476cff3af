import { NatsBroker } from "@heddle/nats"

export const topics = (url: string) => NatsBroker.layer({ servers: [url] })
