/**
 * Keeps the circuits of a fleet on a Redis server or cluster: Effect's `CircuitBreakerStore` on Heddle's connection, for
 * `CircuitBreaker.shared`.
 *
 * **Details**
 *
 * The truth lives on the primary. A circuit is one hash, `<prefix>:circuit:<name>`, and each step one of Effect's scripts on it, on
 * the server's clock. A probe holds a lease that is renewed while it runs; when its process dies, another one probes after
 * `probeLease`. A circuit that nobody has called for `idle` is forgotten, and begins closed.
 *
 * A step is sent once and ends within the connection's `commandTimeout`.
 *
 * **Gotchas**
 *
 * A failover may forget the last steps: a circuit is closed again, or open for longer, and goes on from there.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CircuitBreaker } from "effect/persistence"
import type { Lease } from "heddle/coordination"
import { effectRedis } from "./internal/effectRedis.ts"
import * as Redis from "./Redis.ts"

/**
 * How the circuits are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  /** What all keys begin with. Default `heddle`. */
  readonly prefix?: string | undefined
  /** After how long another process may probe when the one that did is gone. Default 10 seconds. */
  readonly probeLease?: Duration.Input | undefined
  /** After how long without a call a circuit is forgotten. Default one hour. */
  readonly idle?: Duration.Input | undefined
}

/**
 * How the circuits are kept, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends StoreOptions, Redis.Options {}

/**
 * Keeps circuits on a connection that other stores may share.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  options: StoreOptions = {}
): Layer.Layer<CircuitBreaker.CircuitBreakerStore, never, Redis.Redis> => {
  const { idle = "1 hour", prefix = "heddle", probeLease = "10 seconds" } = options
  return Layer.provide(
    CircuitBreaker.layerStoreRedis({ prefix: `${prefix}:circuit:`, probeLease, idleTimeToLive: idle }),
    effectRedis
  )
}

/**
 * Keeps circuits on a server, with connections of its own. Fails when the server cannot be reached or refuses the password.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<CircuitBreaker.CircuitBreakerStore, Lease.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Redis.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<CircuitBreaker.CircuitBreakerStore, Lease.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))
