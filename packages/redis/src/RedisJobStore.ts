/**
 * Keeps jobs on a Redis server, on the primary behind sentinels, or on a Redis Cluster.
 *
 * **Details**
 *
 * The truth lives on the primary. The keys of a queue are `<prefix>:jobs:{<queue>}:…`, twelve at most, all in one slot. None of them
 * expires but the one of those who wait, so `maxmemory-policy` must not evict keys that have no ttl; the layer warns when it may.
 *
 * The clock is the server's. Each step is part of one Lua script, and all steps of one tick on a queue travel in one call: jobs that
 * many fibers enqueue, claim and complete share round trips. A claim whose time is over goes back to the line, or becomes a dead letter,
 * when somebody next asks something of its queue; whoever waits for a job asks when the next delay or claim ends.
 *
 * The server knows the claims that wait. A job that comes without key, priority, delay or `keep` is claimed for the one that waits
 * longest, in the call that enqueues it, and is told on the channel of that store: it need not ask. It is given nothing when nobody is subscribed
 * to that channel, as when its process has ended. A claim whose message was lost is answered the same jobs when it looks again, five
 * seconds or half of its ttl later at most, or when its subscription is back; one that is interrupted hands them back. All other jobs are
 * told through a channel of the queue to those who wait.
 *
 * A token is the server's time in microseconds, or one more than the last of the queue if that is greater.
 *
 * An enqueue and a claim are sent once. When the answer of an enqueue is lost it fails with `StoreUnavailable`, and the jobs may have
 * been added; jobs of a claim whose answer is lost come back when their ttl is over, and that attempt counts. All else is sent again.
 *
 * **Gotchas**
 *
 * - Redis keeps what it has acknowledged only as far as its persistence does: `appendfsync always` keeps all, `everysec` may lose a
 *   second of it, without a file a restart loses everything.
 * - Redis replicates after it has answered: a failover may forget the last jobs, and give out again those that were just completed.
 * - A step of the server's clock forward ends claims early.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Lease } from "heddle/coordination"
import { JobStore } from "heddle/messaging"
import { hostname } from "node:os"
import { jobSteps } from "./internal/jobSteps.ts"
import { warnOfEviction } from "./internal/warnOfEviction.ts"
import * as Redis from "./Redis.ts"

/**
 * How the jobs are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  /** What all keys and channels begin with. Default `heddle`. */
  readonly prefix?: string | undefined
  /** Who claims, as `inspect` shows it. Default `<hostname>:<pid>`. */
  readonly owner?: string | undefined
}

/**
 * How the jobs are kept, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends StoreOptions, Redis.Options {}

/**
 * Keeps jobs on a connection that other stores may share.
 *
 * **Interruption**
 *
 * Closing waits for claims that are on their way, for `commandTimeout` at most, then for jobs on their way back, for a second at most.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (options: StoreOptions = {}): Layer.Layer<JobStore.All, never, Redis.Redis> => {
  const { owner = `${hostname()}:${process.pid}`, prefix = "heddle" } = options
  return JobStore.layerOf({
    backend: "redis",
    owner,
    steps: (revoked) =>
      Effect.flatMap(Redis.Redis, (redis) =>
        Effect.andThen(
          warnOfEviction(redis.commands, "jobs", /^allkeys/),
          jobSteps(redis, { prefix, timeout: redis.commandTimeout }, revoked)
        ))
  })
}

/**
 * Keeps jobs on a server, with connections of its own. Fails when the server cannot be reached or refuses the password.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<JobStore.All, Lease.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Redis.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<JobStore.All, Lease.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))
