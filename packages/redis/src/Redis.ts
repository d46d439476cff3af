/**
 * The connections to a Redis server, to the primary that sentinels know of, or to a cluster, which stores share; set up so
 * that a lock is safe on them.
 *
 * A command is sent once and never again by itself, because a repeated command that has been executed already answers as
 * if somebody else held the lock. A command that cannot be sent now fails now. A connection on which nothing comes back is
 * replaced. Publications have connections of their own.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Alarm, Lease } from "heddle/coordination"
import type { Cluster, Redis as Client, RedisOptions } from "ioredis"
import { connectCluster, connectOne } from "./internal/connect.ts"
import { OneSubscriber } from "./internal/OneSubscriber.ts"
import { clusterSettingsOf, sentinelSettingsOf, type Settings, settingsOf } from "./internal/settings.ts"
import { ShardSubscriber } from "./internal/ShardSubscriber.ts"
import type { Subscriber } from "./internal/Subscriber.ts"

/**
 * Connections that come back by themselves: one to a server, or one to each node of a cluster, and as many for publications.
 *
 * @category services
 * @since 0.1.0
 */
export class Redis extends Context.Service<Redis, {
  readonly commands: Client | Cluster
  readonly subscriber: Subscriber
  /** Where they lead, as errors name it. */
  readonly address: string
  /** Milliseconds. */
  readonly commandTimeout: number
}>()("heddle/Redis") {}

/**
 * Where the server is, and how long to wait for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** `redis://user:password@host:port/db`, or `rediss://` for TLS. The fields below override its parts. */
  readonly url?: string | Redacted.Redacted<string> | undefined
  /** Default `localhost`. */
  readonly host?: string | undefined
  /** Default 6379. */
  readonly port?: number | undefined
  /**
   * Nodes of a Redis Cluster, in place of `url`, `host` and `port`: some are enough, they tell of the others. User, password and
   * TLS are the same for all nodes, from the first of these or from the fields below.
   */
  readonly cluster?: ReadonlyArray<string | Redacted.Redacted<string>> | undefined
  /** The sentinels that know where the primary is, in place of `url`, `host` and `port`. */
  readonly sentinel?: Sentinel | undefined
  readonly username?: string | undefined
  readonly password?: Redacted.Redacted<string> | undefined
  /** The number of the database. Default 0. */
  readonly db?: number | undefined
  /** Speaks TLS with these settings, as `node:tls` takes them. */
  readonly tls?: RedisOptions["tls"] | undefined
  /** How long to try to connect before the layer fails. Default 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** The longest that one step takes. A connection that is silent for half of it is replaced. Default 5 seconds. */
  readonly commandTimeout?: Duration.Input | undefined
}

/**
 * Who knows where the primary is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sentinel {
  /** What the sentinels call the primary and its replicas. */
  readonly name: string
  /** The sentinels, each as `redis://user:password@host:port`. User and password are those of the first, for the sentinels alone. */
  readonly urls: ReadonlyArray<string | Redacted.Redacted<string>>
}

/**
 * Connects, and closes all connections with the layer. Fails when nothing can be reached or the password is refused.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Redis, Lease.StoreUnavailable> =>
  Layer.effect(Redis, connect(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Redis, Lease.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

const connect = (options: Options): Effect.Effect<Redis["Service"], Lease.StoreUnavailable, Scope.Scope> => {
  const { cluster, host, port, sentinel, url } = options
  const places = [cluster, sentinel, url ?? host ?? port].filter((place) => place !== undefined)
  if (places.length > 1) return Effect.fail(ambiguous)
  if (cluster !== undefined) return connectShards(options, cluster)
  const settings = sentinel === undefined ? settingsOf(options) : sentinelSettingsOf(options, sentinel)
  return Effect.flatMap(settings, connectServer)
}

const connectServer = (settings: Settings) =>
  Effect.gen(function*() {
    const address = settings.name === undefined
      ? `${settings.host}:${settings.port}`
      : `the primary of ${settings.name}`
    const clients = Effect.all([connectOne(settings, address), connectOne(settings, address)], { concurrency: 2 })
    const [commands, subscriber] = yield* clients
    return {
      commands,
      subscriber: new OneSubscriber(subscriber),
      address,
      commandTimeout: settings.replyTimeout
    }
  })

const connectShards = (options: Options, urls: NonNullable<Options["cluster"]>) =>
  Effect.gen(function*() {
    const settings = yield* clusterSettingsOf(options, urls)
    const address = settings.nodes.map(({ host, port }) => `${host}:${port}`).join(",")
    const commands = yield* connectCluster(settings, address)
    const now = Alarm.monotonic(yield* Clock.Clock)
    const subscriber = yield* Effect.acquireRelease(
      Effect.sync(() => new ShardSubscriber(commands, settings.node, now)),
      (subscriber) => Effect.sync(() => subscriber.close())
    )
    return { commands, subscriber, address, commandTimeout: settings.node.replyTimeout }
  })

const ambiguous = new Lease.StoreUnavailable({
  backend: "redis",
  message: "say where Redis is in one way: by `url` (or `host` and `port`), by `cluster`, or by `sentinel`"
})
