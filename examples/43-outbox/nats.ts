import { NatsBroker } from "@heddle/nats"

/** The events pass through NATS. */
export const layer = NatsBroker.layer({ servers: [process.env["HEDDLE_NATS_URL"] ?? "nats://localhost:4222"] })
