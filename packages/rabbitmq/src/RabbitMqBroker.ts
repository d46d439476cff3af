/**
 * Carries messages through a topic exchange of RabbitMQ.
 *
 * **Details**
 *
 * The exchange is `<prefix>.topics`, a subject is a routing key, a header is a header, a payload is the payload: other clients of RabbitMQ
 * can take part. Each subscription has a queue of its own, which the server removes with its connection, and a group has one that its
 * members share, which the server removes when the last has left, or a minute after nobody reads it.
 *
 * A message is published when the server has confirmed it, and a subscription is live when the server has answered that its queue is
 * bound and read. The connection comes back by itself, with its subscriptions, and each of them is told that it may have missed
 * something.
 *
 * **Gotchas**
 *
 * - Nothing is kept for who is away. What is published while a subscriber is away is lost to it: it sees a `Gap`.
 * - Messages are not written to disk, and go to a member of a group without an acknowledgement.
 * - The server holds what a process does not read. It cuts off a process that is blocked for longer than two heartbeats, and forgets what it
 *   held: that is a reconnection like any other.
 * - A subscription takes a channel. A server allows 2,047 on a connection, if not set otherwise.
 *
 * @since 0.1.0
 */
import type { Channel, ChannelModel, ConsumeMessage } from "amqplib"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Broker, type BrokerBackend, Message } from "heddle/messaging"
import { createHash } from "node:crypto"
import { allOf, makeConfirms } from "./internal/Confirms.ts"
import { keepPublisher } from "./internal/Publisher.ts"
import * as RabbitMq from "./RabbitMq.ts"

/**
 * How exchange and queues are named.
 *
 * @category models
 * @since 0.1.0
 */
export interface BrokerOptions {
  /** What the names of the exchange and of the queues begin with: 1 to 50 letters, digits, `_` and `-`. Default `heddle`. */
  readonly prefix?: string | undefined
}

/**
 * How exchange and queues are named, and where the servers are.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends BrokerOptions, RabbitMq.Options {}

type Services = Broker.Broker | Broker.BrokerGroups

/**
 * Carries messages on a connection that others may share. A message has at most 1,000,000 bytes.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  options: BrokerOptions = {}
): Layer.Layer<Services, Message.StoreUnavailable, RabbitMq.RabbitMq> =>
  Layer.unwrap(
    Effect.gen(function*() {
      const { prefix = "heddle" } = options
      if (!/^[\w-]{1,50}$/.test(prefix)) return yield* badPrefix
      const rabbit = yield* RabbitMq.RabbitMq
      return Broker.layerOfGroups({
        backend: "rabbitmq",
        backpressure: false,
        maxBytes: 1_000_000,
        steps: stepsOf(rabbit, prefix)
      })
    })
  )

/**
 * Carries messages on a connection of its own. Fails when no server can be reached or the credentials are refused.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Services, Message.StoreUnavailable> =>
  Layer.provide(layerFrom(options), RabbitMq.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Services, Message.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

const badPrefix = new Message.StoreUnavailable({
  backend: "rabbitmq",
  message: "the prefix must be 1 to 50 letters, digits, _ and -"
})

const unread = 60_000

const stepsOf = (rabbit: RabbitMq.RabbitMq["Service"], prefix: string) =>
  Effect.gen(function*() {
    const { failure, keep, step } = rabbit
    const exchange = `${prefix}.topics`
    const confirms = yield* makeConfirms(rabbit)
    const publisher = yield* keepPublisher(
      rabbit,
      (channel) => step(() => channel.assertExchange(exchange, "topic", { durable: true }))
    )

    const steps: BrokerBackend.Steps = {
      publish: (messages) =>
        Effect.suspend(() => {
          const present = publisher()
          const why = rabbit.blocked() ?? (present === undefined ? "disconnected" : undefined)
          if (present === undefined || why !== undefined) return Effect.fail(failure(new Error(why)))
          if (messages.some(hasLongName)) {
            return Effect.fail(failure(new Error("the name of a header has more than 255 characters")))
          }
          return confirms.wait((told) => {
            const confirm = allOf(messages.length, told)
            for (const { headers, payload, subject } of messages) {
              const to = { exchange, key: subject, mandatory: false }
              present.publish(to, hasAny(headers) ? { headers } : none, payload, confirm)
            }
          })
        }),
      subscribe: ({ group, inlet, pattern }) => {
        const setUp = (channel: Channel, again: boolean) =>
          Effect.gen(function*() {
            const { queue } = yield* step(() =>
              group === undefined
                ? channel.assertQueue("", { exclusive: true, autoDelete: true, durable: false, expires: unread })
                : channel.assertQueue(queueOf(prefix, group, pattern), {
                  durable: true,
                  autoDelete: true,
                  expires: unread
                })
            )
            yield* step(() => channel.bindQueue(queue, exchange, keyOf(pattern)))
            // The queue gathers by now, and nothing is read yet: here is where something may be missing.
            if (again) inlet.reconnected()
            const take = (message: ConsumeMessage | null) =>
              message === null
                ? void channel.close().catch(() => {})
                : inlet.take(messageOf(message))
            yield* step(() => channel.consume(queue, take, { noAck: true }))
          })
        const live = keep((connection: ChannelModel) => connection.createChannel(), setUp)
        // The last member of a group may leave, and the queue go with it, while this one is about to join.
        return group === undefined ? live : Effect.retry(live, { times: 10, while: isGone })
      }
    }
    return steps
  })

const none = {}

/** A name is written with one byte for its length. */
const hasLongName = ({ headers }: Message.Message): boolean => {
  for (const name in headers) if (name.length > 255) return true
  return false
}

const hasAny = (headers: Message.Headers): boolean => {
  for (const _ in headers) return true
  return false
}

const messageOf = ({ content, fields, properties }: ConsumeMessage): Message.Message => ({
  _tag: "Message",
  subject: fields.routingKey,
  payload: content,
  headers: properties.headers === undefined ? {} : headersOf(properties.headers)
})

const headersOf = (found: Readonly<Record<string, unknown>>): Message.Headers => {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(found)) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      headers[name] = String(value)
    }
  }
  return headers
}

/** `#` stands for none as well, and `>` does not. */
const keyOf = (pattern: string): string => pattern.replace(/>$/, "*.#")

/** A name has at most 255 bytes. */
const queueOf = (prefix: string, group: string, pattern: string): string => {
  const name = `${prefix}.${group}|${pattern}`
  return name.length <= 255 ? name : `${prefix}.${group}|${createHash("sha256").update(pattern).digest("hex")}`
}

const isGone = ({ cause }: Message.StoreUnavailable): boolean =>
  cause instanceof Error && "code" in cause && cause.code === 404
