/**
 * Carries messages through the publications of a Redis server, of the primary behind sentinels, or of a Redis Cluster.
 *
 * **Details**
 *
 * A subject is the channel `<prefix>:topic:<subject>`. What is published is a line with the subject and the headers as JSON, and behind it the
 * payload, each byte as one character: JSON of ASCII takes no more bytes than it has, others up to twice as many. On a cluster the channels are
 * sharded (`SPUBLISH`), so that a message goes to one node alone.
 *
 * A subscription is live when the server has confirmed it. Its connection is asked for an answer several times in `commandTimeout`; one that
 * was silent is replaced, and each subscription is told that it may have missed something.
 *
 * **Gotchas**
 *
 * - Redis keeps nothing. What is published while a subscriber is away is lost to it: it sees a `Gap`.
 * - Redis knows no groups, and a cluster no patterns: there a subscription to one fails.
 * - A message is published once it is at the primary. A failover may lose it.
 * - A server cuts off a subscriber that does not read (`client-output-buffer-limit pubsub`); that is a reconnection like any other.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Broker, type Message } from "heddle/messaging"
import { brokerSteps } from "./internal/brokerSteps.ts"
import * as Redis from "./Redis.ts"

/**
 * How channels are named.
 *
 * @category models
 * @since 0.1.0
 */
export interface BrokerOptions {
  /** What all channels of the server begin with. Default `heddle`. */
  readonly prefix?: string | undefined
}

/**
 * How channels are named, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends BrokerOptions, Redis.Options {}

/**
 * Carries messages on connections that other stores may share. A message has at most 1,000,000 bytes.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  { prefix = "heddle" }: BrokerOptions = {}
): Layer.Layer<Broker.Broker, never, Redis.Redis> =>
  Broker.layerOf({
    backend: "redis",
    backpressure: false,
    maxBytes: 1_000_000,
    steps: Effect.flatMap(Redis.Redis, (redis) => brokerSteps(redis, `${prefix}:topic:`))
  })

/**
 * Carries messages with connections of its own. Fails when the server cannot be reached or refuses the password.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Broker.Broker, Message.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Redis.layer(options))

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
