/**
 * Leases on etcd: `LeaseStore` for a cluster that survives the loss of a minority of its members.
 *
 * The truth is one key for each claim, `<prefix>/<resource>/<limit>/<permits>/<claim>`, with the resource's name encoded
 * as in a URL. The revision at which etcd created the key is the claim's place in line; a claim holds when its permits,
 * with those of all older claims, fit within the limit. Nobody grants: every process sees the same from the same keys. So
 * nobody overtakes, and a grant never changes but by its own end.
 *
 * **How a waiter hears of its turn**
 *
 * Whoever makes room reads, in the same transaction, who is left, and tells those who now hold: it writes their names to
 * `<prefix>/%session/<lease>`, a key of each process that waits. So a hand-over wakes one process. Who has waited knows
 * who stands behind it, for the one before has passed that on, and a release with the news is one transaction. Who dies
 * tells nobody, but the key of its session ends with it: those who wait see that, and look at their lines. They look as well
 * whenever their session is renewed, a third into the ttl.
 *
 * **What it costs**
 *
 * - Taking a free lease: one transaction. Giving back: another, which `withLock` does not wait for.
 * - Standing in line: the same transaction, and two watches for each process that waits, however much it waits for.
 * - Handing over a whole resource (limit 1): the release and one event. A holder that does not know who comes next reads
 *   that while it holds. Other resources, and a holder that had no time to read: one more transaction. If who comes next has
 *   left meanwhile, or the resource was resized: two more.
 * - Handing over within a process (limit 1): the next in line goes on before etcd has answered the release.
 * - Renewing: a keep-alive for the session, and one read for up to 100 leases that sees whether their keys are still there.
 * - `tryClaim` with a limit above 1, where others hold: two round trips, more only while other claims come in.
 * - Resizing: one transaction decides, another notes what its answer tells.
 *
 * **Whose clock**
 *
 * etcd's, for the end of a lease whose process died; it counts whole seconds. Claims of one process whose `ttl` rounds up
 * to the same number of seconds share one etcd lease, their session. etcd raises a short one to its minimum: one and a half
 * election timeouts, 2 seconds unless configured otherwise. A shorter `ttl` still ends in its own process on time, and the
 * key is deleted then; but when the process dies, the permits come free at the end of the session. Holders count the
 * deadline from the instant at which the last keep-alive that was answered was sent, less 1 %. Ages in `inspect` count from
 * a claim's arrival, for holders as well, and compare the wall clocks of two processes.
 *
 * **What can be lost, and when**
 *
 * - When a session ends (its process was silent for the ttl, or somebody revoked the lease), all its claims end at once:
 *   holders see `LeaseLost`, waiters stand in line anew.
 * - When somebody deletes the key of one claim, its holder notices at its next renewal, a third into the ttl, and so does a
 *   waiter, which stands in line anew.
 * - When the cluster has no majority, nothing is granted and nothing renewed: leases end by their deadlines.
 * - A new leader gives every lease its full ttl again: a dead holder's permits come free later by that much.
 * - Tokens are 1024 times the key's revision. They grow over the whole life of the cluster. A cluster restored from a
 *   backup starts at an older revision.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import { type Lease, LeaseAbility, LeaseStore } from "heddle/coordination"
import { hostname } from "node:os"
import * as Etcd from "./Etcd.ts"
import * as EtcdOp from "./EtcdOp.ts"
import * as Keys from "./internal/leaseKeys.ts"
import type { Place } from "./internal/leasePlace.ts"
import { EtcdSteps } from "./internal/leaseSteps.ts"
import { unavailable } from "./internal/unavailable.ts"

/**
 * How a store uses a connection that it shares.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoreOptions {
  /** What all keys begin with. Stores with the same prefix share their resources. Default: `"heddle"`. */
  readonly prefix?: string | undefined
  /** Who claims, as `inspect` shows it, where a claim does not say. Default: the host's name and the process's id. */
  readonly owner?: string | undefined
}

/**
 * How to reach etcd, and how to use it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Etcd.Options, StoreOptions {}

/**
 * Keeps leases on etcd, with a connection of its own.
 *
 * **Details**
 *
 * Fails if no member answers within `requestTimeout`, or the password is refused. Closing it waits up to a second for releases under way, then revokes
 * its sessions, so that what it still held is free at once.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Services, Lease.StoreUnavailable> =>
  Layer.provide(
    layerFrom(options),
    Layer.catchTag(
      Etcd.layer(options),
      "EtcdError",
      (error) => Layer.effect(Etcd.Etcd, Effect.fail(unavailable(error)))
    )
  )

/**
 * `layer` with options from the environment's `Config`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Services, Lease.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/**
 * Keeps leases on etcd, with a connection that other stores use as well.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFrom = (options: StoreOptions = {}): Layer.Layer<Services, never, Etcd.Etcd> =>
  Layer.mergeAll(
    Layer.effectContext(make(options)),
    LeaseAbility.layerAll,
    LeaseAbility.SurvivesFailover.layer
  )

type Services = LeaseStore.LeaseStore | Holders | LeaseAbility.All | LeaseAbility.SurvivesFailover

/**
 * Knows by which keys this store's leases are held, for {@link isHolder}.
 *
 * @since 0.1.0
 * @category services
 */
export class Holders extends Context.Service<Holders, {
  readonly isHolder: (lease: Pick<Lease.Lease, "id">) => EtcdOp.Compare
}>()("heddle/EtcdLeaseStore/Holders") {}

/**
 * A comparison for a transaction of your own: it holds while etcd has the lease.
 *
 * **When to use**
 *
 * For writes to the same cluster that a holder must not make who has lost its lease without knowing: after a long pause, or
 * when a message was late. etcd decides over the lease and makes the writes in one step, so none comes too late. Nothing has
 * to be kept beside them, and it costs no round trip.
 *
 * **Details**
 *
 * It compares the revision that made the key of the claim. A transaction that is refused (`succeeded: false`) has written
 * nothing: stop, the lease was lost. A lease that has been given back, or that another store has granted, is refused as
 * well. Locks, permits of a semaphore, a term of an election: whatever is a lease can be asked for.
 *
 * **Example**
 *
 * ```ts
 * import { Etcd, EtcdLeaseStore, EtcdOp } from "@heddle/etcd"
 * import { Effect } from "effect"
 * import { DistributedLock } from "heddle/coordination"
 *
 * const settle = DistributedLock.withLock("account/7")((lease) =>
 *   Effect.gen(function*() {
 *     const etcd = yield* Etcd.Etcd
 *     const { succeeded } = yield* etcd.txn({
 *       compare: [yield* EtcdLeaseStore.isHolder(lease)],
 *       success: [EtcdOp.put({ key: "account/7", value: "settled" })]
 *     })
 *     return succeeded
 *   })
 * )
 *
 * Effect.isEffect(settle) // => true
 * ```
 *
 * @since 0.1.0
 * @category transactions
 */
export const isHolder = (lease: Pick<Lease.Lease, "id">): Effect.Effect<EtcdOp.Compare, never, Holders> =>
  Effect.map(Holders, (holders) => holders.isHolder(lease))

const make = ({ owner = `${hostname()}:${process.pid}`, prefix = "heddle" }: StoreOptions) => {
  const places = new Map<string, Place>()
  const store = LeaseStore.make({
    backend: "etcd",
    owner,
    timeout: Infinity,
    steps: (_, revoked) =>
      Effect.gen(function*() {
        const etcd = yield* Etcd.Etcd
        const lines = yield* FiberSet.make()
        const errands = yield* FiberSet.make()
        const forks = { line: yield* FiberSet.runtime(lines)(), errand: yield* FiberSet.runtime(errands)() }
        const steps = new EtcdSteps(etcd, prefix, yield* Clock.Clock, forks, places, revoked)
        yield* Effect.forkScoped(steps.alarm.run)
        yield* Effect.addFinalizer(() =>
          Effect.andThen(
            Effect.timeoutOption(FiberSet.awaitEmpty(errands), "1 second"),
            Effect.timeoutOption(steps.sessions.close, "1 second")
          )
        )
        return steps
      })
  })
  const isHolder = ({ id }: Pick<Lease.Lease, "id">): EtcdOp.Compare => {
    const place = places.get(id)
    return place?.state === "held"
      ? EtcdOp.compare(place.key, "createRevision", "=", place.revision)
      // No key has a version below 0.
      : EtcdOp.compare(Keys.sessions(prefix), "version", "<", 0n)
  }
  return Effect.map(
    store,
    (store) => Context.make(LeaseStore.LeaseStore, store).pipe(Context.add(Holders, { isHolder }))
  )
}
