/** amqplib: a confirm channel that publishes, and four queues of their own on one exchange. */
import amqp from "amqplib"
import { decode, encode, opening, subscribers } from "../Subject.ts"

const exchange = "bench"

export const open = opening(async (url, heard) => {
  const connection = await amqp.connect(url)
  const [publisher, reader] = await Promise.all([connection.createConfirmChannel(), connection.createChannel()])
  await reader.assertExchange(exchange, "topic", { durable: false })
  for (let at = 0; at < subscribers; at++) {
    const { queue } = await reader.assertQueue("", { exclusive: true })
    await reader.bindQueue(queue, exchange, "values")
    await reader.consume(queue, (message) => void (message !== null && heard(decode(message.content.toString()))), {
      noAck: true
    })
  }
  return (value) =>
    new Promise<void>((resolve, reject) =>
      publisher.publish(
        exchange,
        "values",
        Buffer.from(encode(value)),
        {},
        (error: unknown) =>
          error == null ? resolve() : reject(new Error("the broker refused a message", { cause: error }))
      )
    )
})
