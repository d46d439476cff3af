/**
 * Keeps logs on a Redis server, on the primary behind sentinels, or on a Redis Cluster.
 *
 * **Details**
 *
 * The truth lives on the primary. A log is two keys in one slot, `<prefix>:log:{<prefix>:log:<name>}:…`: a stream of its entries, and
 * a hash with the last offset and the token and position of each consumer. Each step is one Lua script, so an append of many entries
 * is made as a whole.
 *
 * An offset is the server's time in microseconds, or one more than the last if that is greater: offsets grow also when the newest
 * entries are lost with a failover, or all with the data. An entry's time is its offset, by the server's clock. Each entry names the
 * one before it, so a reader who finds another there knows that entries were trimmed, and is told so.
 *
 * An append is published in the log's slot. A reader sleeps until it hears of one, and reads pages of up to 500 entries or a megabyte
 * then; every 5 seconds it looks in case a publication was lost.
 *
 * What `retention` does not keep is trimmed by the node of the stream (`XTRIM ~`): up to 100 entries or 4 kB more are kept.
 *
 * **Gotchas**
 *
 * - Redis replicates after it has answered. A failover may undo the last appends and commits.
 * - A step of the server's clock back, or a new primary whose clock is behind, numbers entries on from the last one: their times are
 *   ahead then.
 * - The keys never expire. A log without `retention` grows for ever.
 * - `maxmemory-policy` must not evict keys that do not expire; the layer warns when it may.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type LogEntry, LogStore } from "heddle/messaging"
import { logSteps } from "./internal/logSteps.ts"
import { warnOfEviction } from "./internal/warnOfEviction.ts"
import * as Redis from "./Redis.ts"

/**
 * How the keys are named.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  /** What all keys and channels of the server begin with. Default `heddle`. */
  readonly prefix?: string | undefined
}

/**
 * How the keys are named, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends StoreOptions, Redis.Options {}

/**
 * Keeps logs on connections that other stores may share. An entry has at most 1,000,000 bytes.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  { prefix = "heddle" }: StoreOptions = {}
): Layer.Layer<LogStore.LogStore, never, Redis.Redis> =>
  LogStore.layerOf({
    backend: "redis",
    maxBytes: 1_000_000,
    steps: Effect.flatMap(Redis.Redis, (redis) =>
      Effect.andThen(
        warnOfEviction(redis.commands, "logs", /^allkeys/),
        logSteps(redis, prefix, 5000)
      ))
  })

/**
 * Keeps logs with connections of its own. Fails when the server cannot be reached or refuses the password.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<LogStore.LogStore, LogEntry.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Redis.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<LogStore.LogStore, LogEntry.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))
