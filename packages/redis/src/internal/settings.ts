import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Lease } from "heddle/coordination"
import type { ClusterOptions, RedisOptions, SentinelAddress } from "ioredis"
import type { Options } from "../Redis.ts"

/** How a connection to a server is made. */
export type Settings = RedisOptions & {
  readonly connectTimeout: number
  /** How long `watchReplies` waits; ioredis' own timers are not used. */
  readonly replyTimeout: number
  readonly replyMapping: "legacy"
}

/** One server, wherever it is. */
export const settingsOf = (options: Options): Effect.Effect<Settings, Lease.StoreUnavailable> => {
  const { db, host, password, port, tls, url = "redis://localhost", username } = options
  return Effect.map(parsed(url), (url) => ({
    ...partsOf(url),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: Redacted.value(password) }),
    ...(db === undefined ? {} : { db }),
    ...(tls === undefined ? {} : { tls }),
    connectTimeout: Duration.toMillis(options.connectTimeout ?? "5 seconds"),
    replyTimeout: Duration.toMillis(options.commandTimeout ?? "5 seconds"),
    disconnectTimeout: 200,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    enableAutoPipelining: false,
    autoResubscribe: false,
    retryStrategy,
    // Another is the primary now: whoever gives out its address knows which.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
    replyMapping: "legacy",
    lazyConnect: true
  }))
}

/** A server that sentinels know of. */
export const sentinelSettingsOf = (
  options: Options,
  { name, urls }: NonNullable<Options["sentinel"]>
): Effect.Effect<Settings, Lease.StoreUnavailable> =>
  Effect.gen(function*() {
    const settings = yield* settingsOf(options)
    const sentinels = yield* Effect.forEach(urls, (url) => Effect.map(parsed(url), partsOf))
    const [first] = sentinels
    if (first === undefined || name === "") return yield* refused(noSentinels)
    const { password, tls, username } = first
    return {
      ...settings,
      sentinels: sentinels.map(({ host, port }): Partial<SentinelAddress> => ({ host, port })),
      name,
      role: "master",
      sentinelCommandTimeout: settings.replyTimeout / 2,
      ...(username === undefined ? {} : { sentinelUsername: username }),
      ...(password === undefined ? {} : { sentinelPassword: password }),
      ...(tls === undefined ? {} : { sentinelTLS: tls, enableTLSForSentinelMode: true })
    }
  })

/** Nodes of a cluster that are known, and how a connection to each of its nodes is made. */
export interface ClusterSettings {
  readonly nodes: ReadonlyArray<{ readonly host: string; readonly port: number }>
  readonly node: Settings
  readonly cluster: ClusterOptions & {
    readonly redisOptions: NonNullable<ClusterOptions["redisOptions"]> & Pick<Settings, "replyMapping">
  }
}

export const clusterSettingsOf = (
  options: Options,
  urls: NonNullable<Options["cluster"]>
): Effect.Effect<ClusterSettings, Lease.StoreUnavailable> =>
  Effect.gen(function*() {
    const known = yield* Effect.forEach(urls, (url) => Effect.map(parsed(url), partsOf))
    const [first] = known
    if (first === undefined) return yield* refused(noNodes)
    const node = yield* settingsOf({ ...options, url: urls[0] })
    if (node.db !== 0) return yield* refused("a Redis Cluster has one database, 0: leave `db` away")
    const { enableOfflineQueue: _, host: _host, port: _port, retryStrategy: _retry, ...each } = node
    return {
      nodes: known.map(({ host, port }) => ({ host, port })),
      node,
      cluster: {
        lazyConnect: true,
        enableOfflineQueue: false,
        // What may have been carried out is not sent again.
        retryDelayOnFailover: 0,
        retryDelayOnClusterDown: 0,
        // A call that is refused because half of its keys have moved is cut, and needs no delay.
        retryDelayOnTryAgain: 0,
        clusterRetryStrategy: retryStrategy,
        slotsRefreshInterval: 5000,
        slotsRefreshTimeout: Math.min(1000, node.connectTimeout),
        redisOptions: each
      }
    }
  })

const retryStrategy = (attempt: number): number => Math.min(20 * attempt, 500)

const refused = (message: string) => Effect.fail(new Lease.StoreUnavailable({ backend: "redis", message }))

const noSentinels =
  "`sentinel` must have the name of the primary and the url of at least one sentinel; three bear the loss of one"
const noNodes = "`cluster` must name at least one node; name several, so that one may be down"

const parsed = (given: string | Redacted.Redacted<string>): Effect.Effect<URL, Lease.StoreUnavailable> => {
  const url = typeof given === "string" ? given : Redacted.value(given)
  return URL.canParse(url)
    ? Effect.succeed(new URL(url))
    : refused("the url of Redis is not an address: write redis://user:password@host:port/db")
}

const partsOf = (url: URL) => ({
  host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
  port: Number(url.port || 6379),
  db: Number(url.pathname.slice(1) || 0),
  ...(url.username === "" ? {} : { username: decodeURIComponent(url.username) }),
  ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
  ...(url.protocol === "rediss:" ? { tls: {} } : {})
})
