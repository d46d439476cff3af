/**
 * Keeps exclusive leases on several Redis servers that know nothing of each other: a lease is held while most of them agree.
 *
 * **When to use**
 *
 * Where the loss of one server must neither forget a lease nor stop the program, and there is no etcd. Three nodes bear the
 * loss of one, five the loss of two. One Redis is faster, serves in order, and has semaphores and elections.
 *
 * **Details**
 *
 * This is Redlock (S. Sanfilippo, 2016) with what its critics asked for (M. Kleppmann, "How to do distributed locking", 2016).
 * A claim asks all nodes at once and is granted when most have voted for it before its time is over; what was won without a
 * majority, and what comes late, is given back. A repeated claim recognises its own votes. Nodes that were out of reach are
 * asked again when the lease is renewed. Its end is counted from before the first message, less one part in a hundred for
 * clocks that run at different speeds. A node that has just started may have forgotten its leases: it does not vote until
 * the longest ttl is over (`restartDelay`).
 *
 * Claims of one process stand in line, in order of arrival; the first of each process asks the nodes, when one of them tells
 * of a change and after a heartbeat at the latest. Between processes there is no order: a quorum has none to give. `inspect`
 * shows the waiters of this process only.
 *
 * Each node's clock counts for itself. A token is the highest that the voters offer, each at least its time in microseconds:
 * it grows as well as the nodes' clocks agree. `layerFenced` lets a grant wait until most nodes know its token, for one more
 * round trip, and then tokens always grow.
 *
 * **Gotchas**
 *
 * Claims for part of the permits, semaphores, read-write locks, elections are not offered: with votes for parts two majorities
 * can each be incomplete for ever, or both be wrong. The type says so.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Alarm, Lease, LeaseAbility, type LeaseBackend, LeaseStore } from "heddle/coordination"
import { hostname } from "node:os"
import { leaseKeys } from "./internal/leaseKeys.ts"
import { connect } from "./internal/RedlockNode.ts"
import { RedlockQuorum } from "./internal/RedlockQuorum.ts"
import { RedlockSteps } from "./internal/redlockSteps.ts"
import { settingsOf } from "./internal/settings.ts"

/**
 * Which nodes there are, and how the leases are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The nodes, each as `redis://user:password@host:port/db` or `rediss://`; an odd number, three or five. */
  readonly urls: ReadonlyArray<string | Redacted.Redacted<string>>
  /** What all keys begin with. Default `heddle`. */
  readonly prefix?: string | undefined
  /** Who claims, as `inspect` shows it, where the claim does not say. Default `<hostname>:<pid>`. */
  readonly owner?: string | undefined
  /** The longest ttl that a claim may ask for. Default 1 minute. */
  readonly longestTtl?: Duration.Input | undefined
  /**
   * For how long a node that has just started does not vote. Default `longestTtl`; 0 only where each node syncs every write to
   * its disk (`appendfsync always`).
   */
  readonly restartDelay?: Duration.Input | undefined
  /** How long to wait for the answers of the nodes; enough of them end the wait. Default 500 milliseconds. */
  readonly nodeTimeout?: Duration.Input | undefined
  /** The longest between two looks of a waiter at who holds. Default 1 second. */
  readonly heartbeat?: Duration.Input | undefined
}

/**
 * Keeps leases on these nodes. Fails when an address means nothing; nodes that cannot be reached have no vote until they can.
 *
 * **Interruption**
 *
 * Closing waits for releases that are on their way, for a second at most.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<LeaseStore.LeaseStore | LeaseAbility.SurvivesFailover, Lease.StoreUnavailable> => layerOf(options, false)

/**
 * `layer` whose tokens always grow: a grant waits until most of the nodes know its token, one more round trip.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFenced = (
  options: Options
): Layer.Layer<
  LeaseStore.LeaseStore | LeaseAbility.SurvivesFailover | LeaseAbility.Fenced,
  Lease.StoreUnavailable
> => Layer.merge(layerOf(options, true), LeaseAbility.Fenced.layer)

const layerOf = (options: Options, fenced: boolean) =>
  Layer.merge(
    LeaseAbility.SurvivesFailover.layer,
    Layer.effect(
      LeaseStore.LeaseStore,
      LeaseStore.make({
        backend: "redlock",
        owner: options.owner ?? `${hostname()}:${process.pid}`,
        timeout,
        steps: () => makeSteps(options, fenced)
      })
    )
  )

const timeout = 5000

const makeSteps = (
  options: Options,
  fenced: boolean
): Effect.Effect<LeaseBackend.Steps, Lease.StoreUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    if (options.urls.length === 0) return yield* new Lease.StoreUnavailable({ backend: "redlock", message: noNodes })
    const now = Alarm.monotonic(yield* Clock.Clock)
    const longestTtl = Duration.toMillis(options.longestTtl ?? "1 minute")
    const restartDelay = Duration.toMillis(options.restartDelay ?? longestTtl)
    const patience = Duration.toMillis(options.nodeTimeout ?? "500 millis")
    const settings = yield* Effect.forEach(options.urls, (url) => settingsOf({ url, connectTimeout: patience }))
    const nodes = yield* connect(settings, { restartDelay, now })
    const { resource: keyOf } = leaseKeys(options.prefix ?? "heddle")
    const quorum = new RedlockQuorum({ nodes, keyOf, patience, fenced, now })
    yield* Effect.addFinalizer(() =>
      Effect.callback<void>((resume) => {
        quorum.onIdle = () => resume(Effect.void)
        if (quorum.idle) resume(Effect.void)
      }).pipe(Effect.timeoutOption("1 second"))
    )
    const fork = yield* FiberSet.makeRuntime<never, void, never>()
    const heartbeat = Duration.toMillis(options.heartbeat ?? "1 second")
    return new RedlockSteps({ nodes, quorum, keyOf, longestTtl, heartbeat, timeout, now, fork })
  })

const noNodes = "`urls` must name at least one node; three bear the loss of one, five the loss of two"
