/** The client of NATS: four subscriptions on one connection. A publication is a write; the last of each hundred waits for the server. */
import { connect } from "@nats-io/transport-node"
import { decode, encode, opening, subscribers } from "../Subject.ts"

export const open = opening(async (url, heard) => {
  const connection = await connect({ servers: url })
  for (let at = 0; at < subscribers; at++) {
    connection.subscribe("bench.values", { callback: (_error, message) => heard(decode(message.string())) })
  }
  await connection.flush()
  return (value) => {
    connection.publish("bench.values", encode(value))
    return connection.flush()
  }
})
