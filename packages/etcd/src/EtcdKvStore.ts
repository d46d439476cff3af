/**
 * Keeps small values under keys on an etcd cluster, as etcd's own keys.
 *
 * **Where the truth lives**
 *
 * In etcd: an entry of the store is the key `<prefix>/%kv/<key>` with the value as it is, its revision is etcd's own, and so are
 * transactions, leases and watches. Whoever reads the cluster sees the same. It outlives the loss of a minority of the members.
 * Revisions number the commits of the whole cluster, so those of one store have gaps.
 *
 * **What it costs**
 *
 * - A read, and a commit, conditional or not, of one key or of many: one round trip.
 * - A key with a `ttl`: one more for the first of those that are put soon after each other, which share one lease of etcd.
 * - A lease: one round trip to make it, one message for each renewal, a third into its ttl. All renewals share a stream.
 * - A watch: nothing while nothing happens; all watches of a connection share another stream. etcd brings a watch of the past
 *   up to date in a loop of 100 ms.
 *
 * **Whose clock**
 *
 * etcd's, which counts whole seconds and raises short times to its minimum: one and a half election timeouts, 2 seconds
 * unless configured otherwise. A key with a `ttl` lives up to 2 seconds or a 32nd of it longer. A new leader gives every
 * lease its full time again.
 *
 * **Gotchas**
 *
 * - A transaction has at most 1.5 mebibytes in all, unless etcd is told otherwise (`--max-request-bytes`).
 * - etcd keeps all revisions until somebody compacts them: see `--auto-compaction-retention`. A watch fails with `Compacted`
 *   when what it has not told is gone.
 * - Reads, grants and revocations are tried again for a second while no member answers or leads; a commit is sent once.
 * - A watch whose changes nobody takes keeps them in memory.
 * - A cluster restored from a backup starts at an older revision. End those who watch before.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import { Alarm, KvStore } from "heddle/coordination"
import type { Lease } from "heddle/coordination"
import * as Etcd from "./Etcd.ts"
import { kvSteps } from "./internal/kvSteps.ts"
import { unavailable } from "./internal/unavailable.ts"

/**
 * How a store uses a connection that it shares.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoreOptions {
  /** What all keys of the cluster begin with. Stores with the same prefix are one. Default: `"heddle"`. */
  readonly prefix?: string | undefined
}

/**
 * How to reach etcd, and how to use it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Etcd.Options, StoreOptions {}

type Services = KvStore.KvStore | KvStore.KvTransactions

/**
 * Keeps keys on etcd, with a connection of its own. Fails if no member answers within `requestTimeout`, or the password is
 * refused.
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
 * Keeps keys on etcd, with a connection that other stores use as well.
 *
 * **Interruption**
 *
 * Closing waits for leases that are on their way back, for a second at most.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFrom = ({ prefix = "heddle" }: StoreOptions = {}): Layer.Layer<Services, never, Etcd.Etcd> =>
  KvStore.layerOf({
    backend: "etcd",
    steps: () =>
      Effect.gen(function*() {
        const now = Alarm.monotonic(yield* Clock.Clock)
        const errands = yield* FiberSet.make()
        const errand = yield* FiberSet.runtime(errands)()
        yield* Effect.addFinalizer(() => Effect.timeoutOption(FiberSet.awaitEmpty(errands), "1 second"))
        return kvSteps(yield* Etcd.Etcd, prefix, now, errand)
      })
  })
