/**
 * Keeps small values under keys, with a revision for each change, for everyone who shares the store.
 *
 * Reads are linearizable. A write can be made on condition that nobody has changed the key since it was read, a key can be
 * bound to a lease and so vanish with its process, and whoever watches sees every revision once and in order. `layerMemory`
 * keeps it in the process, the backend packages keep it on a server.
 *
 * **When to use**
 *
 * For patterns, and where bytes are wanted. `Kv` has typed values.
 *
 * **Gotchas**
 *
 * A commit that fails with `StoreUnavailable` may have been made: read before you try again, or write on condition of a
 * revision.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { memorySteps } from "./internal/kvMemory.ts"
import { makeKv } from "./internal/kvSteps.ts"
import type { Backend } from "./KvBackend.ts"
import type {
  Changed,
  Compacted,
  Conflict,
  Entry,
  InvalidKey,
  KvLease,
  PutOptions,
  Range,
  Transaction
} from "./KvEntry.ts"
import type { LeaseLost, StoreUnavailable } from "./Lease.ts"

/**
 * Why a read can fail.
 *
 * @category errors
 * @since 0.1.0
 */
export type ReadError = InvalidKey | StoreUnavailable

/**
 * Why a write can fail. `LeaseLost`: the lease that a key was to be bound to is over.
 *
 * @category errors
 * @since 0.1.0
 */
export type WriteError = InvalidKey | LeaseLost | StoreUnavailable

/**
 * Which part of a range to read.
 *
 * @category models
 * @since 0.1.0
 */
export interface RangeOptions {
  /** How many entries at most, 1 to 10,000. Default 1,000. */
  readonly limit?: number | undefined
  /** The key behind which to begin: the last one of the part before. */
  readonly after?: string | undefined
}

/**
 * From where to watch.
 *
 * @category models
 * @since 0.1.0
 */
export interface WatchOptions {
  /** The first revision to report. Default: what comes after the stream was opened. */
  readonly from?: bigint | undefined
}

/**
 * A store of keys. A key is any well-formed string of 1 to 1,024 characters, a value has at most a mebibyte.
 *
 * @category services
 * @since 0.1.0
 */
export class KvStore extends Context.Service<KvStore, {
  /** The backend's name, a label on metrics. */
  readonly backend: string
  readonly get: (key: string) => Effect.Effect<Option.Option<Entry>, ReadError>
  /** The entries whose keys begin with `prefix` (all keys for `""`), in order, as they were at one revision. */
  readonly range: (prefix: string, options?: RangeOptions) => Effect.Effect<Range, ReadError>
  /** Writes the value, whatever was there. Answers the revision. */
  readonly put: (key: string, value: Uint8Array, options?: PutOptions) => Effect.Effect<bigint, WriteError>
  /** Deletes the key; false where it was absent, and then there is no new revision. */
  readonly delete: (key: string) => Effect.Effect<boolean, ReadError>
  /** Writes the value if the key still is as revision `expected` wrote it; 0 for a key that must be absent. */
  readonly compareAndSet: (
    key: string,
    expected: bigint,
    value: Uint8Array,
    options?: PutOptions
  ) => Effect.Effect<bigint, Conflict | WriteError>
  /** Deletes the key if it still is as revision `expected` wrote it. */
  readonly compareAndDelete: (key: string, expected: bigint) => Effect.Effect<void, Conflict | ReadError>
  /**
   * A lease that keys can be bound to, until the scope closes, it is released, or it is lost. Default ttl 10 seconds, 10 ms
   * to 1 day.
   *
   * **Interruption**
   *
   * A lease made at that moment ends with its ttl at the latest.
   */
  readonly lease: (
    options?: { readonly ttl?: Duration.Input | undefined }
  ) => Effect.Effect<KvLease, ReadError, Scope.Scope>
  /**
   * Every commit that changes the key, once and in order. The stream goes on over lost connections. To miss nothing, read
   * the key's range and watch from the revision after it.
   */
  readonly watch: (key: string, options?: WatchOptions) => Stream.Stream<Changed, Compacted | ReadError>
  /** `watch` for all keys that begin with `prefix`. */
  readonly watchPrefix: (prefix: string, options?: WatchOptions) => Stream.Stream<Changed, Compacted | ReadError>
}>()("heddle/KvStore") {}

/**
 * Writes several keys at once on condition of several others: for stores whose backend can.
 *
 * @category services
 * @since 0.1.0
 */
export class KvTransactions extends Context.Service<KvTransactions, {
  /** Makes all writes if all checks hold, else none. Answers the revision. */
  readonly transact: (transaction: Transaction) => Effect.Effect<bigint, Conflict | WriteError>
}>()("heddle/KvStore/KvTransactions") {}

/**
 * Builds both services from a backend's steps.
 *
 * @category backends
 * @since 0.1.0
 */
export const layerOf = <E, R>(
  backend: Backend<E, R>
): Layer.Layer<KvStore | KvTransactions, E, Exclude<R, Scope.Scope>> =>
  Layer.effectContext(
    Effect.map(makeKv(backend), ({ store, transactions }) =>
      Context.make(KvStore, store).pipe(Context.add(KvTransactions, transactions)))
  )

/**
 * Keeps everything in this process: the reference that runs the laws first, for tests and for one-process programs. The
 * last 10,000 revisions can be watched from.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<KvStore | KvTransactions> = layerOf({ backend: "memory", steps: memorySteps })
