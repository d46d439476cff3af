/**
 * A lease: permits of a resource that are held for a time, renewed while they are used, and lost when they are not.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * What is asked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClaimRequest {
  /** What to claim: any string of 1 to 1,024 characters. */
  readonly resource: string
  /** How many permits: a whole number from 1 to `limit`. Default 1. */
  readonly permits?: number | undefined
  /** How many permits the resource has in all; every caller must name the same. Default 1. */
  readonly limit?: number | undefined
  /** How long the lease outlives a holder that died, 10 ms to 1 day. A live holder renews it. Default 10 seconds. */
  readonly ttl?: Duration.Input | undefined
  /** How long to stand in line at most; 0 asks once, `Infinity` waits for ever. Default 30 seconds. */
  readonly waitFor?: Duration.Input | undefined
  /** Who asks, as `inspect` shows it: at most 1,024 characters. Default: the layer's `owner`. */
  readonly owner?: string | undefined
  /** What a holder says of itself, as `inspect` shows it: at most 65,536 characters. Default: nothing. */
  readonly value?: string | undefined
  /** How many consecutive tokens to reserve, for `Lease.pass`: 1 to 1,000. Default 1. */
  readonly tokens?: number | undefined
}

/**
 * Permits of a resource, held until they are released or lost. The store renews it meanwhile.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lease {
  readonly id: string
  readonly resource: string
  readonly owner: string
  readonly permits: number
  /** The fencing token: send it with each write, and let the receiver refuse a smaller one than it has seen. */
  readonly token: bigint
  /** Whether the lease can be proved alive at this moment: one comparison with the clock, no round trip. */
  isAlive(): boolean
  /** Runs the effect if the lease is alive now, else fails. For a last check before a step that cannot be undone. */
  guard<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LeaseLost, R>
  /**
   * Runs the effect for as long as the lease is alive.
   *
   * **Details**
   *
   * The effect runs in a child fiber. The lease's deadline is compared with the clock before each step of it, in its
   * own fiber and in those that it forks; past the deadline not one more step runs, also right after a synchronous
   * block or a stop of the process. The fiber is interrupted, its finalizers run, and the caller sees `LeaseLost`.
   * A step is one evaluation by the Effect runtime: a plain function passed to `map` belongs to the step before it.
   *
   * **Interruption**
   *
   * Interrupts the effect and waits for its finalizers. The lease stays held.
   */
  run<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LeaseLost, R>
  /** Replaces the value that `inspect` shows. One round trip. */
  update(value: string): Effect.Effect<void, InvalidClaim | LeaseLost | StoreUnavailable>
  /**
   * Keeps so many of the permits and gives the others back, in one step: at no moment are those that stay given back.
   * Whoever waits for them is granted them at once. One round trip.
   */
  shrink(permits: number): Effect.Effect<void, InvalidClaim | LeaseLost | StoreUnavailable>
  /** The same lease under the next token of the block it reserved, for another holder in this process. */
  pass(): Lease | undefined
  /** Gives the permits back and waits until the store has seen it. Releasing again does nothing. */
  readonly release: Effect.Effect<void, StoreUnavailable>
  /** Gives the permits back at once, without waiting for the store. If the message is lost, the ttl frees them. */
  releaseUnsafe(): void
}

/**
 * A holder, as `inspect` shows it. `age` is for how long it has held, in milliseconds on the store's clock.
 *
 * @category models
 * @since 0.1.0
 */
export interface HolderInfo {
  readonly id: string
  readonly owner: string
  readonly value: string
  readonly permits: number
  readonly token: bigint
  readonly age: number
}

/**
 * A waiter, as `inspect` shows it. `age` is for how long it has waited, in milliseconds on the store's clock.
 *
 * @category models
 * @since 0.1.0
 */
export interface WaiterInfo {
  readonly id: string
  readonly owner: string
  readonly permits: number
  readonly age: number
}

/**
 * Who holds a resource and who waits for it, both in order of arrival.
 *
 * @category models
 * @since 0.1.0
 */
export interface Inspection {
  /** How many permits there are; undefined where nobody holds or waits and the resource was not resized. */
  readonly limit: number | undefined
  readonly holders: ReadonlyArray<HolderInfo>
  readonly waiters: ReadonlyArray<WaiterInfo>
}

/**
 * The request cannot mean anything. Nothing was sent. Correct the field named.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidClaim extends Schema.TaggedError<InvalidClaim>()("InvalidClaim", {
  field: Schema.String,
  message: Schema.String
}) {}

/**
 * The permits did not come free in time. Try later, or wait for longer.
 *
 * @category errors
 * @since 0.1.0
 */
export class LeaseTimeout extends Schema.TaggedError<LeaseTimeout>()("LeaseTimeout", {
  resource: Schema.String,
  waitedMillis: Schema.Number
}) {
  override get message(): string {
    return `gave up on ${this.resource} after ${Math.round(this.waitedMillis)} ms; try later or raise waitFor`
  }
}

/**
 * The lease ended while it was held: stop, somebody else may hold it now.
 *
 * `expired`: no renewal was answered before the deadline. `revoked`: the store no longer knows the lease.
 *
 * @category errors
 * @since 0.1.0
 */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", {
  resource: Schema.String,
  token: Schema.BigInt,
  reason: Schema.Literals(["expired", "revoked", "released"])
}) {
  override get message(): string {
    return `the lease of ${this.resource} (token ${this.token}) is ${this.reason}; what ran under it was interrupted`
  }
}

/**
 * The store could not be asked, or did not answer in time. Retry; `message` says what to look at.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  backend: Schema.String,
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/**
 * Two callers disagree on how many permits a resource has. Give both the same `limit`.
 *
 * @category errors
 * @since 0.1.0
 */
export class LimitMismatch extends Schema.TaggedError<LimitMismatch>()("LimitMismatch", {
  resource: Schema.String,
  limit: Schema.Number,
  actual: Schema.Number
}) {
  override get message(): string {
    return `${this.resource} is in use with a limit of ${this.actual}, not ${this.limit}; give all callers the same`
  }
}

/**
 * Why a claim can fail.
 *
 * @category errors
 * @since 0.1.0
 */
export type ClaimError = InvalidClaim | LeaseTimeout | LimitMismatch | StoreUnavailable

/**
 * Why a claim that does not wait can fail.
 *
 * @category errors
 * @since 0.1.0
 */
export type TryClaimError = Exclude<ClaimError, LeaseTimeout>

/**
 * What `Effect.uninterruptibleMask` gives: makes an effect as interruptible as it was outside.
 *
 * @category models
 * @since 0.1.0
 */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * A look at a clock that `monotonic` gave: of use to who reads the same clock, and would look at it just after.
 *
 * @category models
 * @since 0.1.0
 */
export interface Look {
  readonly now: () => number
  readonly at: number
}
