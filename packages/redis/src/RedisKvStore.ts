/**
 * Keeps small values under keys on a Redis server, on the primary behind sentinels, or on one node of a Redis Cluster.
 *
 * **Details**
 *
 * The truth lives on the primary. A store is six keys in one slot, `<prefix>:kv:{<prefix>:kv}:…`: the last revision, the entries,
 * their order, the leases with their deadlines, what is bound to them, and the changes of the last revisions. Each step is
 * part of one Lua script, and all steps of one tick travel in one call. Two stores of one prefix are one store.
 *
 * The clock is the server's. Each call first ends the leases that are over: their keys are deleted, at one revision a
 * lease. A process in which somebody watches calls when the next lease ends; where nobody watches, the next call does it.
 *
 * A revision is the server's time in microseconds, or one more than the last if that is greater: revisions grow also when the
 * newest are lost with a failover, or all with the data. They have gaps therefore, and no changes in them.
 *
 * A commit is published with its keys, so a watch reads only when it is concerned, and otherwise sleeps. Each change names
 * the revision before it: a watch goes on exactly behind what it has seen, and fails with `Compacted` when that is gone,
 * was trimmed, or was undone by a failover.
 *
 * A commit is sent once. When its answer is lost it fails with `StoreUnavailable`, and may have been made. All else is sent
 * again when the connection is back, as long as `commandTimeout` allows.
 *
 * **Gotchas**
 *
 * - Redis replicates after it has answered. A failover may undo the last commits; conditional writes on their revisions then
 *   conflict.
 * - The last `history` changes are kept with their values: count their bytes twice.
 * - The store's keys never expire. An empty store keeps its revision: delete all six keys to be rid of it.
 * - A step of the server's clock forward ends leases early.
 * - `maxmemory-policy` must not evict keys that do not expire; the layer warns when it may.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Lease } from "heddle/coordination"
import { KvStore } from "heddle/coordination"
import { kvSteps } from "./internal/kvSteps.ts"
import { warnOfEviction } from "./internal/warnOfEviction.ts"
import * as Redis from "./Redis.ts"

/**
 * How the keys are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  /** What all keys and channels of the server begin with. Default `heddle`. */
  readonly prefix?: string | undefined
  /** How many of the last revisions can be watched from, at least. The same for all who share the store. Default 10,000. */
  readonly history?: number | undefined
}

/**
 * How the keys are kept, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends StoreOptions, Redis.Options {}

type Services = KvStore.KvStore | KvStore.KvTransactions

/**
 * Keeps keys on a connection that other stores may share.
 *
 * **Interruption**
 *
 * Closing waits for leases that are on their way back, for a second at most.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (options: StoreOptions = {}): Layer.Layer<Services, never, Redis.Redis> => {
  const { history = 10_000, prefix = "heddle" } = options
  return KvStore.layerOf({
    backend: "redis",
    steps: () =>
      Effect.flatMap(Redis.Redis, (redis) => {
        const timeout = redis.commandTimeout
        const steps = kvSteps(redis, { prefix, history, timeout, recheck: 5000 })
        return Effect.andThen(warnOfEviction(redis.commands, "keys", /^allkeys/), steps)
      })
  })
}

/**
 * Keeps keys on a server, with connections of its own. Fails when the server cannot be reached or refuses the password.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Services, Lease.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Redis.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Services, Lease.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))
