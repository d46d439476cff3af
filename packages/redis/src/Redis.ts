/**
 * The connections to a Redis server that stores share, set up so that a lock is safe on them.
 *
 * A command is sent once and never again by itself, because a repeated command that has been executed already answers as
 * if somebody else held the lock. A command that cannot be sent now fails now. A connection on which nothing comes back is
 * replaced. Publications have a connection of their own.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Lease } from "heddle/coordination"
import { Redis as Client } from "ioredis"
import type { RedisOptions } from "ioredis"
import { unavailable } from "./internal/unavailable.ts"

/**
 * Two connections to one server. Both reconnect by themselves; `subscriber` comes back without its subscriptions.
 *
 * @category services
 * @since 0.1.0
 */
export class Redis extends Context.Service<Redis, {
  readonly commands: Client
  readonly subscriber: Client
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
 * Connects, and closes both connections with the layer. Fails when the server cannot be reached or refuses the password.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Redis, Lease.StoreUnavailable> =>
  Layer.effect(
    Redis,
    Effect.flatMap(
      settingsOf(options),
      (settings) => Effect.all({ commands: connect(settings), subscriber: connect(settings) }, { concurrency: 2 })
    )
  )

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

/** @internal */
export type Settings = RedisOptions & { readonly connectTimeout: number; readonly replyMapping: "legacy" }

/** @internal */
export const settingsOf = (options: Options): Effect.Effect<Settings, Lease.StoreUnavailable> => {
  const { db, host, password, port, tls, username } = options
  const { url: given = "redis://localhost" } = options
  const url = typeof given === "string" ? given : Redacted.value(given)
  if (!URL.canParse(url)) return Effect.fail(noAddress)
  const commandTimeout = Duration.toMillis(options.commandTimeout ?? "5 seconds")
  return Effect.succeed({
    ...partsOf(new URL(url)),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: Redacted.value(password) }),
    ...(db === undefined ? {} : { db }),
    ...(tls === undefined ? {} : { tls }),
    connectTimeout: Duration.toMillis(options.connectTimeout ?? "5 seconds"),
    commandTimeout,
    socketTimeout: commandTimeout / 2,
    disconnectTimeout: 200,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    enableAutoPipelining: false,
    autoResubscribe: false,
    retryStrategy: (attempt) => Math.min(20 * attempt, 500),
    replyMapping: "legacy",
    lazyConnect: true
  })
}

const noAddress = new Lease.StoreUnavailable({
  backend: "redis",
  message: "the url of Redis is not an address: write redis://user:password@host:port/db"
})

const partsOf = (url: URL): RedisOptions => ({
  host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
  port: Number(url.port || 6379),
  db: Number(url.pathname.slice(1) || 0),
  ...(url.username === "" ? {} : { username: decodeURIComponent(url.username) }),
  ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
  ...(url.protocol === "rediss:" ? { tls: {} } : {})
})

const connect = (settings: Settings): Effect.Effect<Client, Lease.StoreUnavailable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Client(settings)),
    (client) => Effect.sync(() => client.disconnect())
  ).pipe(Effect.tap((client) =>
    Effect.callback<void, Lease.StoreUnavailable>((resume) => {
      let reason: unknown
      // ioredis tells the reason here alone, and an error event that nobody listens to ends the process.
      client.on("error", (error) => {
        reason = error
      })
      client.connect().then(
        () => resume(Effect.void),
        (error: unknown) => resume(Effect.fail(unavailable(client, reason ?? error)))
      )
    }).pipe(Effect.timeoutOrElse({
      duration: settings.connectTimeout,
      orElse: () => Effect.fail(unavailable(client, `connect timeout of ${settings.connectTimeout} ms`))
    }))
  ))
