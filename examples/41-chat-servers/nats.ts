import { Nats, NatsBroker, NatsLogStore } from "@heddle/nats"
import * as Layer from "effect/Layer"

/** What is said is kept by JetStream, and presence passes through NATS. */
export const layer = Layer.merge(NatsLogStore.layerFrom(), NatsBroker.layerFrom()).pipe(
  Layer.provide(Nats.layer({ servers: [process.env["HEDDLE_NATS_URL"] ?? "nats://localhost:4222"] }))
)
