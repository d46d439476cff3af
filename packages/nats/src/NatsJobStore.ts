/**
 * Keeps jobs on a NATS server with JetStream.
 *
 * **Details**
 *
 * A queue is a stream, its log. Each step is an order in it, and all steps of one tick share a message. Whoever uses the queue reads
 * its log, pushed by the server, and carries out each order in a `JobMachine`: all that read as far know the same, and a step is
 * answered when its own order has come by. One round trip, and nothing is compared and set.
 *
 * The clock is the server's: the time at which it stored a message is the time of its orders. A token is that time in microseconds, or
 * one more than the last of the queue if that is greater. Who waits for a job is woken by the message that brings one; when a delay or
 * a claim ends that somebody waits for, that one sends the next order.
 *
 * What was on its way when the connection broke is sent again, and the server takes it once. After 4,096 messages the state is kept in
 * a second stream, and what stands in the log before the state before is purged.
 *
 * **Gotchas**
 *
 * - Every process that uses a queue receives all that is enqueued in it, and holds its jobs in memory.
 * - What a caller was told survives that the server is killed. A loss of power takes what the server had not synced: two minutes at
 *   most, by its default.
 * - A step that is not answered within `commandTimeout` fails with `StoreUnavailable`, and may be carried out all the same.
 * - A step of the server's clock forward ends claims early.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Lease } from "heddle/coordination"
import { JobStore, Message } from "heddle/messaging"
import { hostname } from "node:os"
import { jobSteps } from "./internal/jobSteps.ts"
import * as Nats from "./Nats.ts"

/**
 * How the jobs are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  /** What all streams and subjects begin with: letters, digits, `_` and `-`. Default `heddle`. */
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
export interface Options extends StoreOptions, Nats.Options {}

/**
 * Keeps jobs on a connection that others may share. Fails where the server has no JetStream, or does not let this user use it.
 *
 * **Interruption**
 *
 * Closing waits for claims that are on their way, for `commandTimeout` at most, then for jobs on their way back, for a second at most.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  { owner = `${hostname()}:${process.pid}`, prefix = "heddle" }: StoreOptions = {}
): Layer.Layer<JobStore.All, Lease.StoreUnavailable, Nats.Nats> =>
  JobStore.layerOf({
    backend: "nats",
    owner,
    steps: (revoked) =>
      /^[\w-]+$/.test(prefix)
        ? Effect.flatMap(Nats.Nats, (nats) => jobSteps(nats, { prefix, saveAfter: 4096, patience: 60_000 }, revoked))
        : Effect.fail(badPrefix)
  })

/**
 * Keeps jobs on a connection of its own. Fails when no server can be reached, the credentials are refused, or there is no JetStream.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<JobStore.All, Lease.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Nats.layer(options))

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

const badPrefix = new Message.StoreUnavailable({
  backend: "nats",
  message: "the prefix must be letters, digits, _ and -, at least one"
})
