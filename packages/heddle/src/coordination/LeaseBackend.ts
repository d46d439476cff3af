/**
 * What a backend fills so that `LeaseStore.make` can build the service on it.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Inspection, InvalidClaim, StoreUnavailable } from "./Lease.ts"

/**
 * A request as a backend sees it: checked, complete, and with an id of its own. Asking again with the same id is safe.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Claim {
  readonly id: string
  readonly resource: string
  readonly owner: string
  readonly value: string
  readonly permits: number
  readonly limit: number
  readonly tokens: number
  /** Milliseconds. */
  readonly ttl: number
  /** Whether to stand in line. */
  readonly wait: boolean
}

/**
 * A grant, good until `until`: an instant of the monotonic clock (ms), counted from when the request was sent.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Granted {
  readonly _tag: "Granted"
  readonly token: bigint
  readonly until: number
}

/**
 * A backend's answer. `Queued.granted` ends when the store grants the claim; core bounds and interrupts the wait.
 *
 * @category backends
 * @since 0.1.0
 */
export type Answer =
  | Granted
  | { readonly _tag: "Queued"; readonly granted: Effect.Effect<Granted, StoreUnavailable> }
  | { readonly _tag: "Busy" }
  | { readonly _tag: "Mismatch"; readonly limit: number }

/**
 * What changes of a held lease. `permits` are never more than it has.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Change {
  readonly value?: string | undefined
  readonly permits?: number | undefined
}

/**
 * The atomic steps that a backend fills; `make` turns them into the service. A backend that cannot do all that a claim may
 * ask for refuses it with `InvalidClaim`, before any round trip.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Steps {
  /** Takes the permits, or stands in line, or is refused: one step, which does not wait for its turn. */
  readonly ask: (claim: Claim) => Effect.Effect<Answer, InvalidClaim | StoreUnavailable>
  /** Extends all leases that are still held: for each its new `until`, or undefined where the store does not know it. */
  readonly renew: (claims: ReadonlyArray<Claim>) => Effect.Effect<ReadonlyArray<number | undefined>, StoreUnavailable>
  /** Where the lease is kept, if places may fail apart: those of one place are renewed together. Default: all in one place. */
  readonly placeOf?: ((claim: Claim) => unknown) | undefined
  /** Gives back what the claim holds, or takes it out of the line; touches nothing else. */
  readonly release: (claim: Claim) => Effect.Effect<void, StoreUnavailable>
  /** `release`, sent at once and not waited for. The layer's close waits for those still on their way. */
  readonly releaseUnsafe: (claim: Claim) => void
  /** `releaseUnsafe` for a claim whose fate is unknown: queued, granted, refused, or not even arrived. */
  readonly abandonUnsafe: (claim: Claim) => void
  /** Changes a held lease; false where the store does not know it. */
  readonly update: (claim: Claim, change: Change) => Effect.Effect<boolean, InvalidClaim | StoreUnavailable>
  /** Sets how many permits there are, whatever callers name; kept until it is set to what they name. */
  readonly resize: (resource: string, limit: number) => Effect.Effect<void, InvalidClaim | StoreUnavailable>
  readonly inspect: (resource: string) => Effect.Effect<Inspection, StoreUnavailable>
  readonly changes: (resource: string) => Stream.Stream<Inspection, StoreUnavailable>
}

/**
 * What a backend brings, and what every backend gets from core: checks of the input, ids, bounds on waiting, renewal of
 * all leases by one fiber, and the watch over their deadlines.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Backend<E, R> {
  readonly backend: string
  readonly owner: string
  /** The longest that one step takes before it fails, in milliseconds. */
  readonly timeout: number
  /** Builds the steps. `session` is unique to this store; `revoked` reports a lease that is known lost, by its id. */
  readonly steps: (session: string, revoked: (id: string) => void) => Effect.Effect<Steps, E, R>
}
