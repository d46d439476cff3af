/**
 * Carries messages through the notifications of a PostgreSQL server.
 *
 * **Details**
 *
 * All messages of a name take one channel, and each process picks those that its subscriptions ask for. A notification has less than
 * 8,000 bytes: what has more goes in pieces, in one transaction, which the server tells one after another. Payloads travel as base64.
 * Nothing is made in the database, and no right is needed.
 *
 * A process listens with one session for all of its subscriptions, while it has any. A subscription is live when it has heard a word
 * that it notified itself. The session is asked for an answer when it is quiet; one that is silent is replaced, and each subscription
 * is told that it may have missed something.
 *
 * What is published in one tick shares a transaction. It is sent once: when the answer is lost, `publish` fails with
 * `StoreUnavailable`, and the messages may have been told.
 *
 * **Gotchas**
 *
 * - PostgreSQL keeps nothing. What is published while a subscriber is away is lost to it: it sees a `Gap`.
 * - PostgreSQL knows no groups.
 * - Every process with a subscription receives all messages of the name, also those that it does not ask for.
 * - Transactions that notify commit one after another in the whole server. For many thousands of messages a second use another broker.
 * - Nothing can be heard through a pooler of transactions: give `directUrl`, or subscriptions fail.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Broker, type Message } from "heddle/messaging"
import { createHash } from "node:crypto"
import { brokerSteps } from "./internal/brokerSteps.ts"
import * as Postgres from "./Postgres.ts"

/**
 * Who shares messages.
 *
 * @category models
 * @since 0.1.0
 */
export interface BrokerOptions {
  /** Brokers of one database with the same name share their messages. Default `heddle`. */
  readonly name?: string | undefined
}

/**
 * Who shares messages, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends BrokerOptions, Postgres.Options {}

/**
 * Carries messages on sessions that other stores may share. A message has at most 1,000,000 bytes.
 *
 * **Interruption**
 *
 * Closing waits for messages that are on their way, for `commandTimeout` at most.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  { name = "heddle" }: BrokerOptions = {}
): Layer.Layer<Broker.Broker, never, Postgres.Postgres> =>
  Broker.layerOf({
    backend: "postgres",
    backpressure: false,
    maxBytes: 1_000_000,
    steps: Effect.flatMap(Postgres.Postgres, (postgres) => brokerSteps(postgres, channelOf(name)))
  })

/**
 * Carries messages with sessions of its own: one for statements, one that listens while somebody is subscribed.
 *
 * **Details**
 *
 * Fails with `StoreUnavailable`, which says what to do: see `Postgres.layer`.
 *
 * **Example**
 *
 * ```ts no-run
 * import { PostgresBroker } from "@heddle/postgres"
 * import { Effect, Schema } from "effect"
 * import { Topic } from "heddle/messaging"
 *
 * const news = Topic.make({ name: "news", payload: Schema.String })
 * await Effect.runPromise(news.publish("it rains").pipe(
 *   Effect.provide(PostgresBroker.layer({ url: "postgres://app@localhost/app" }))
 * ))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Broker.Broker, Message.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Postgres.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Broker.Broker, Message.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/** A channel's name has at most 63 bytes. */
const channelOf = (name: string): string =>
  `heddle_topic_${createHash("sha256").update(name).digest("hex").slice(0, 32)}`
