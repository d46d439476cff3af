/**
 * Keeps leases on a Redis server, on the primary behind sentinels, or on a Redis Cluster.
 *
 * **Details**
 *
 * The truth lives on the primary. A resource is one key, `<prefix>:{<resource>}`, with two more while somebody waits:
 * `…:q`, the line, and `…:w`, who stands in it. The braces keep the three in one slot. Every key expires, and all of them go
 * when nobody holds or waits any more.
 *
 * The clock is the server's. Each step is one Lua script, and all steps of one tick travel in one call, so a release and the
 * claim that follows it cost one round trip together. A release names the next waiter that is alive, gives it the permits
 * and a token, and pushes the grant to its process: nobody polls. Each process has an inbox, `<prefix>:inbox:<session>`. A
 * waiter asks again every `heartbeat`: one that has not for three of them counts as dead and is skipped. A lost push therefore
 * costs at most a heartbeat.
 *
 * On a cluster the steps of one tick travel in one call for each slot, and grants are published in the slot: an inbox there,
 * `<prefix>:inbox:{<tag>}:<session>`, is heard from the first wait in the slot on. A node that is down touches the leases of its
 * slots alone. What a node says that was not heard for a second counts only when another node knows it as the master of the
 * slot: one that stood still may have been replaced meanwhile. That costs one more round trip after a second without any.
 *
 * A token is the server's time in microseconds, or one more than the last if that is greater: tokens grow also when the
 * key is gone or the data is lost.
 *
 * **Gotchas**
 *
 * - Redis replicates after it has answered. A failover may forget a lease that was granted: its holder is told by the next
 *   renewal, and the next holder may be let in before. Tokens still grow: send them with each write.
 * - A step fails when a failover takes longer than `commandTimeout`, a lease is lost when it takes longer than its ttl.
 * - While a slot moves, a waiter may lose its place in line when its keys arrive one by one, and stands at its end then.
 * - A step of the server's clock forward ends leases early, and so does a failover, or a slot's move, to a server whose clock is ahead. A step backward longer than a resource was free can repeat tokens.
 * - A release that does not arrive is sent again when the connection is back; if the process ends before, the ttl frees
 *   the permits.
 * - `maxmemory-policy` must not evict keys that expire; the layer warns when it may.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Lease } from "heddle/coordination"
import { LeaseAbility, LeaseStore } from "heddle/coordination"
import { hostname } from "node:os"
import { redisSteps } from "./internal/leaseSteps.ts"
import { warnOfEviction } from "./internal/warnOfEviction.ts"
import * as Redis from "./Redis.ts"

/**
 * How the leases are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  /** What all keys and channels begin with. Default `heddle`. */
  readonly prefix?: string | undefined
  /** Who claims, as `inspect` shows it, where the claim does not say. Default `<hostname>:<pid>`. */
  readonly owner?: string | undefined
  /** How often a waiter tells that it is alive; after three of them without a word it is dead. Default 1 second. */
  readonly heartbeat?: Duration.Input | undefined
}

/**
 * How the leases are kept, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends StoreOptions, Redis.Options {}

/**
 * Keeps leases on a connection that other stores may share.
 *
 * **Interruption**
 *
 * Closing waits for releases that are on their way, for a second at most.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  options: StoreOptions = {}
): Layer.Layer<LeaseStore.LeaseStore | LeaseAbility.All, Lease.StoreUnavailable, Redis.Redis> =>
  Layer.merge(
    LeaseAbility.layerAll,
    Layer.effect(
      LeaseStore.LeaseStore,
      Effect.flatMap(Redis.Redis, (redis) => {
        const { owner = `${hostname()}:${process.pid}`, prefix = "heddle" } = options
        const heartbeat = Duration.toMillis(options.heartbeat ?? "1 second")
        const timeout = redis.commandTimeout
        const steps = redisSteps(redis, { prefix, owner, heartbeat, timeout })
        return Effect.andThen(
          warnOfEviction(redis.commands, "leases", /^(allkeys|volatile)/),
          LeaseStore.make({ backend: "redis", owner, timeout, steps })
        )
      })
    )
  )

/**
 * Keeps leases on a server, with connections of its own. Fails when the server cannot be reached or refuses the password.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<LeaseStore.LeaseStore | LeaseAbility.All, Lease.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Redis.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<LeaseStore.LeaseStore | LeaseAbility.All, Lease.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))
