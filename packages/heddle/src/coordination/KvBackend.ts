/**
 * What a backend fills so that `KvStore.make` can build the service on it.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Changed, Check, Compacted, Entry, Range } from "./KvEntry.ts"
import type { StoreUnavailable } from "./Lease.ts"

/**
 * A write as a backend sees it: checked. At most one of `lease` (an id) and `ttl` (milliseconds) is there.
 *
 * @category backends
 * @since 0.1.0
 */
export type Write =
  | {
    readonly _tag: "Put"
    readonly key: string
    readonly value: Uint8Array
    readonly lease: string | undefined
    readonly ttl: number | undefined
  }
  | { readonly _tag: "Delete"; readonly key: string }

/**
 * Checks and writes of one commit. No key is written twice.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Commit {
  readonly checks: ReadonlyArray<Check>
  readonly writes: ReadonlyArray<Write>
}

/**
 * What became of a commit.
 *
 * `Committed.revision` is the new one, or the present one where nothing changed; `deleted` counts the keys that were there
 * to delete. `Conflict` names a check that did not hold. `Unleased` names a lease that the store does not know.
 *
 * @category backends
 * @since 0.1.0
 */
export type Outcome =
  | { readonly _tag: "Committed"; readonly revision: bigint; readonly deleted: number }
  | { readonly _tag: "Conflict"; readonly key: string; readonly actual: bigint }
  | { readonly _tag: "Unleased"; readonly lease: string }

/**
 * A lease to keep alive.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Kept {
  /** What the backend called it. */
  readonly id: string
  /** Milliseconds. */
  readonly ttl: number
}

/**
 * A lease that was granted, good until `until`: an instant of the monotonic clock (ms), counted from when the request was
 * sent.
 *
 * @category backends
 * @since 0.1.0
 */
export interface GrantedLease extends Kept {
  readonly until: number
}

/**
 * What is watched: one key, or all that begin with it.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Target {
  readonly key: string
  readonly prefix: boolean
}

/**
 * The atomic steps that a backend fills.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Steps {
  readonly get: (key: string) => Effect.Effect<Entry | undefined, StoreUnavailable>
  /** The first `limit` entries whose keys begin with `prefix` and come after `after`. */
  readonly range: (
    prefix: string,
    after: string | undefined,
    limit: number
  ) => Effect.Effect<Range, StoreUnavailable>
  /** Checks and writes in one step. It is sent once: after a failure it may have been carried out. */
  readonly commit: (commit: Commit) => Effect.Effect<Outcome, StoreUnavailable>
  /** Makes a lease of at least `ttl` ms. */
  readonly grant: (ttl: number) => Effect.Effect<GrantedLease, StoreUnavailable>
  /** Extends the leases: for each its new `until`, or undefined where the store does not know it. */
  readonly renew: (leases: ReadonlyArray<Kept>) => Effect.Effect<ReadonlyArray<number | undefined>, StoreUnavailable>
  /** Ends the lease and deletes the keys bound to it. */
  readonly revoke: (id: string) => Effect.Effect<void, StoreUnavailable>
  /** `revoke`, sent at once and not waited for. The layer's close waits for those still on their way. */
  readonly revokeUnsafe: (id: string) => void
  /**
   * Every revision from `from` on (without it: from now on, when the stream is opened) that changes the target, once and
   * in order, also over reconnects. Fails with `Compacted` when some are gone, never passes over them.
   */
  readonly watch: (target: Target, from: bigint | undefined) => Stream.Stream<Changed, Compacted | StoreUnavailable>
}

/**
 * What a backend brings; core checks the input, renews the leases, and watches their deadlines.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Backend<E, R> {
  readonly backend: string
  /** Builds the steps. `revoked` reports a lease that is known lost, by its id. */
  readonly steps: (revoked: (id: string) => void) => Effect.Effect<Steps, E, R>
}
