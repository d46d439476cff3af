/**
 * Keeps jobs in quorum queues of RabbitMQ.
 *
 * **Details**
 *
 * A claim is a delivery that is not acknowledged yet, on a channel of the store. The store gives it back when its ttl is over; where it cannot,
 * because it is dead, blocked or cut off, the server takes it back with the connection. So a claim lives at most one heartbeat from the last
 * answer of the server, and is renewed by a round trip that all claims share. Whoever comes after his time finds the claim gone, as an
 * acknowledgement is good on its own channel alone.
 *
 * Consumers ask for as many jobs as are claimed, while claims follow one another. What was fetched and is not claimed goes back after 50 ms,
 * uncounted. Delays wait in queues of their own length that dead-letter into the main one, and are up to an eighth longer than asked for.
 *
 * Those that are done are acknowledged in one word up to the oldest that is still worked on, and one by one behind it: each word is an entry
 * in the log of the queue.
 *
 * **Gotchas**
 *
 * - A retry, a hand-back and a dead letter are put elsewhere and then acknowledged. A process that dies in between leaves the job twice; the
 *   one put elsewhere has the higher tokens.
 * - Where a connection breaks at the server's end alone, another can have a job while the first runs for the rest of its heartbeat. One of them can
 *   complete.
 * - What a process has fetched and not begun when it dies is counted as an attempt.
 * - The server ends a claim after its `consumer_timeout`, 30 minutes.
 * - A handler that blocks the process for longer than a heartbeat loses its claims: raise `heartbeat` where handlers compute.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Job, JobAbility, JobStore } from "heddle/messaging"
import { hostname } from "node:os"
import { jobSteps } from "./internal/jobSteps.ts"
import * as RabbitMq from "./RabbitMq.ts"

/**
 * How the queues are named.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  /** What the names of the queues begin with: 1 to 50 letters, digits, `_` and `-`. Default `heddle`. */
  readonly prefix?: string | undefined
}

/**
 * How the queues are named, and where the servers are.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends StoreOptions, RabbitMq.Options {}

type Services = JobStore.JobStore | JobAbility.Delay

/**
 * Keeps jobs on a connection that others may share.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  { prefix = "heddle" }: StoreOptions = {}
): Layer.Layer<Services, Job.StoreUnavailable, RabbitMq.RabbitMq> =>
  Layer.merge(
    JobAbility.Delay.layer,
    Layer.effect(
      JobStore.JobStore,
      Effect.gen(function*() {
        if (!/^[\w-]{1,50}$/.test(prefix)) return yield* badPrefix
        const rabbit = yield* RabbitMq.RabbitMq
        const { store } = yield* JobStore.make({
          backend: "rabbitmq",
          owner: `${hostname()}:${process.pid}`,
          abilities: [JobAbility.Delay],
          steps: (revoked) => jobSteps(rabbit, prefix, revoked)
        })
        return store
      })
    )
  )

/**
 * Keeps jobs on a connection of its own. Fails when no server can be reached or the credentials are refused.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Services, Job.StoreUnavailable> =>
  Layer.provide(layerFrom(options), RabbitMq.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Services, Job.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

const badPrefix = new Job.StoreUnavailable({
  backend: "rabbitmq",
  message: "the prefix must be 1 to 50 letters, digits, _ and -"
})
