/** amqplib: a quorum queue, a confirm channel that publishes, and a consumer that has five hundred jobs and acknowledges each. */
import amqp from "amqplib"
import * as Schema from "effect/Schema"
import { concurrency, type Connect, opening, Payload, prefetch } from "../Queue.ts"

const name = "bench"
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Payload))

export const connect: Connect = async (url, done) => {
  const connection = await amqp.connect(url)
  const publisher = await connection.createConfirmChannel()
  await publisher.assertQueue(name, { durable: true, arguments: { "x-queue-type": "quorum" } })
  if (done !== undefined) {
    const reader = await connection.createChannel()
    await reader.prefetch(concurrency + prefetch)
    await reader.consume(name, (message) => {
      if (message === null) return
      done(decode(message.content.toString()))
      reader.ack(message)
    })
  }
  const one = (payload: Payload) =>
    new Promise<void>((resolve, reject) =>
      publisher.publish(
        "",
        name,
        Buffer.from(JSON.stringify(payload)),
        { persistent: true },
        (error: unknown) => error == null ? resolve() : reject(new Error("the broker refused a job", { cause: error }))
      )
    )
  return { many: (payloads) => Promise.all(payloads.map(one)), one }
}
export const open = opening(connect, import.meta.url)
