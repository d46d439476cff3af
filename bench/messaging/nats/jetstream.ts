/** The client of JetStream: a stream that keeps what is not acknowledged, and a consumer that has five hundred jobs and acknowledges each. */
import { AckPolicy, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream"
import { connect as connectNats } from "@nats-io/transport-node"
import * as Schema from "effect/Schema"
import { concurrency, type Connect, opening, Payload, prefetch } from "../Queue.ts"

const name = "bench"
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Payload))

export const connect: Connect = async (url, done) => {
  const manager = await jetstreamManager(await connectNats({ servers: url }))
  const client = manager.jetstream()
  await manager.streams.add({ name, subjects: [name], retention: RetentionPolicy.Workqueue })
  if (done !== undefined) {
    await manager.consumers.add(name, {
      durable_name: name,
      ack_policy: AckPolicy.Explicit,
      max_ack_pending: concurrency + prefetch
    })
    const consumer = await client.consumers.get(name, name)
    await consumer.consume({
      max_messages: concurrency + prefetch,
      callback: (message) => {
        done(decode(message.string()))
        message.ack()
      }
    })
  }
  const one = (payload: Payload) => client.publish(name, JSON.stringify(payload), { timeout: 30_000 })
  return { many: (payloads) => Promise.all(payloads.map(one)), one }
}
export const open = opening(connect, import.meta.url)
