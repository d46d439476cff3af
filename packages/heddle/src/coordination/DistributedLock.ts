/**
 * Lets one holder at a time work on a key, across processes.
 *
 * A caller takes the lock for a key, holds it while its effect runs, and gives it back when the effect ends, whether it
 * succeeded, failed, or was interrupted. If the lease behind the lock can no longer be proved alive, the effect is
 * interrupted before anyone else can be let in, and the caller sees `LeaseLost`.
 *
 * **When to use**
 *
 * For work that must not run twice at once on several machines. Inside one process Effect's `Semaphore` is enough.
 *
 * **Gotchas**
 *
 * A message that left before the lease was lost may arrive after it. Send `lease.token` along with each write and let
 * the receiver refuse a smaller one than it has seen.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { monotonic } from "./Alarm.ts"
import { agreed, agreedAtOnce, attempt, waits } from "./internal/leaseAttempt.ts"
import { ArrivalDoor } from "./internal/leaseDoor.ts"
import { checkKey, checkPasses, toMillis } from "./internal/leaseRequest.ts"
import { cohortDoor } from "./internal/lockDoor.ts"
import { warnOrder } from "./internal/lockHeld.ts"
import { family } from "./internal/lockMetrics.ts"
import type { HolderInfo, InvalidClaim, Lease, LeaseLost, LeaseTimeout, StoreUnavailable, WaiterInfo } from "./Lease.ts"
import { LeaseStore } from "./LeaseStore.ts"

/**
 * How to take a lock.
 *
 * @category models
 * @since 0.1.0
 */
export interface LockOptions {
  /** How long the lock outlives a holder that died, 10 ms to 1 day. A live holder renews it. Default 10 seconds. */
  readonly ttl?: Duration.Input | undefined
  /** How long to wait at most; 0 asks once, `Infinity` waits for ever. It does not bound the work. Default 30 seconds. */
  readonly waitFor?: Duration.Input | undefined
  /** Who holds, as `inspect` shows it. Default: the layer's `owner`. */
  readonly owner?: string | undefined
  /** A name for this lock's metrics (label `lock`); there should be few of them. Default: no label. */
  readonly name?: string | undefined
  /** Whether a fiber that holds the key, or one it forked, may enter again. Default false: it gets `WouldDeadlock`. */
  readonly reentrant?: boolean | undefined
  /**
   * `arrival`: strict first come, first served over all processes. `cohort`: fibers of one process queue among
   * themselves, and the lock passes from one to the next without a round trip. Default `arrival`.
   */
  readonly order?: "arrival" | "cohort" | undefined
  /** With `cohort`: how often a lock is passed on before the other processes have their turn, 1 to 999. Default 16. */
  readonly passes?: number | undefined
  /**
   * Whether to wait until the store has seen the release. Default false: it is sent, and if the message is lost the key
   * comes free when the ttl ends.
   */
  readonly confirm?: boolean | undefined
}

/**
 * What runs under a lock: an effect, or a function of the lease, for its token.
 *
 * @category models
 * @since 0.1.0
 */
export type Section<A, E, R> = Effect.Effect<A, E, R> | ((lease: Lease) => Effect.Effect<A, E, R>)

/**
 * Who holds a lock and who stands in the store's line for it, in order of arrival. With `order: "cohort"` the fibers of
 * one process stand there as one.
 *
 * @category models
 * @since 0.1.0
 */
export interface LockInfo {
  readonly holder: Option.Option<HolderInfo>
  readonly waiters: ReadonlyArray<WaiterInfo>
}

/**
 * The fiber, or one that forked it, holds the key already and would wait for itself. Use what it holds: a lock is entered
 * again with `reentrant: true`, and many keys are taken by one `withLocks`.
 *
 * @category errors
 * @since 0.1.0
 */
export class WouldDeadlock extends Schema.TaggedError<WouldDeadlock>()("WouldDeadlock", { key: Schema.String }) {
  override get message(): string {
    return `${JSON.stringify(this.key)} is held by this fiber already, which would wait for itself; ` +
      "go on under what it holds (a DistributedLock: pass reentrant: true)"
  }
}

/**
 * Why a lock can fail, besides the section's own errors.
 *
 * @category errors
 * @since 0.1.0
 */
export type LockError = TryLockError | LeaseTimeout

/**
 * Why a lock that does not wait can fail, besides the section's own errors.
 *
 * @category errors
 * @since 0.1.0
 */
export type TryLockError = InvalidClaim | LeaseLost | StoreUnavailable | WouldDeadlock

/**
 * Runs the section while it alone holds the key.
 *
 * **Details**
 *
 * The section runs in a child fiber; fibers that it forks as children end with it. An uncontended lock costs one round
 * trip: the release is sent, not awaited, unless `confirm` asks for it.
 *
 * **Interruption**
 *
 * While it waits it leaves the line at once, and a grant made at that moment goes back. While the section runs, the
 * section is interrupted, its finalizers end, and the lock is given back.
 *
 * **Example** (Counting under a lock)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { DistributedLock, LeaseStore } from "heddle/coordination"
 *
 * let count = 0
 * const increment = DistributedLock.withLock("counter")(
 *   Effect.sync(() => count++)
 * )
 * const program = Effect.all([increment, increment, increment], {
 *   concurrency: "unbounded"
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.provide(LeaseStore.layerMemory)))
 * count // => 3
 * ```
 *
 * @category locking
 * @since 0.1.0
 */
export const withLock =
  (key: string, options: LockOptions = {}) =>
  <A, E, R>(section: Section<A, E, R>): Effect.Effect<A, E | LockError, R | LeaseStore> =>
    checked(key, options, () =>
      attempt({
        ...callOf("withLock", key, options, sectionOf(section)),
        refused: waits,
        failed: agreed,
        nested: (outer, store) => warnOrder(outer, store, locks, key)
      }))

/**
 * Runs the section if the key is free now and nobody waits for it, else answers `None` without waiting.
 *
 * **Interruption**
 *
 * While the section runs, as `withLock`.
 *
 * @category locking
 * @since 0.1.0
 */
export const tryLock =
  (key: string, options: Omit<LockOptions, "waitFor"> = {}) =>
  <A, E, R>(section: Section<A, E, R>): Effect.Effect<Option.Option<A>, E | TryLockError, R | LeaseStore> =>
    checked(key, options, () =>
      attempt({
        ...callOf("tryLock", key, options, (lease) => Effect.map(sectionOf(section)(lease), Option.some)),
        refused: Effect.succeedNone,
        failed: agreedAtOnce
      }))

/**
 * Runs the section while it holds all the keys: takes them one after the other in one global order (by code unit), so
 * that two callers cannot wait for each other, and holds all or none.
 *
 * **Details**
 *
 * The section is given one lease a key, in the order of `keys`; a key named twice is taken once. `waitFor` bounds the
 * whole. Losing any of them interrupts the section.
 *
 * **Interruption**
 *
 * As `withLock`; what is held by then is given back.
 *
 * @category locking
 * @since 0.1.0
 */
export const withLocks = (keys: ReadonlyArray<string>, options: LockOptions = {}) =>
<A, E, R>(
  section: Effect.Effect<A, E, R> | ((leases: ReadonlyArray<Lease>) => Effect.Effect<A, E, R>)
): Effect.Effect<A, E | LockError, R | LeaseStore> => {
  const sorted = [...new Set(keys)].sort()
  return Effect.clockWith((clock) => {
    const now = monotonic(clock)
    const deadline = now() + toMillis(options.waitFor, 30_000)
    const leases = new Map<string, Lease>()
    const from = (index: number): Effect.Effect<A, E | LockError, R | LeaseStore> => {
      const key = sorted[index]
      if (key === undefined) {
        return Effect.isEffect(section) ? section : section(keys.flatMap((key) => leases.get(key) ?? []))
      }
      const rest = (lease: Lease) => {
        leases.set(key, lease)
        return from(index + 1)
      }
      const left = () => index === 0 ? options.waitFor : Math.max(0, deadline - now())
      return Effect.suspend(() => withLock(key, { ...options, waitFor: left() })(rest))
    }
    return from(0)
  })
}

/**
 * Who holds the key, since when, and who waits for it. One round trip.
 *
 * @category inspecting
 * @since 0.1.0
 */
export const inspect = (key: string): Effect.Effect<LockInfo, InvalidClaim | StoreUnavailable, LeaseStore> =>
  Effect.flatMap(LeaseStore, (store) => {
    const wrong = checkKey(key)
    if (wrong !== undefined) return Effect.fail(wrong)
    return Effect.map(store.inspect(resourceOf(key)), ({ holders, waiters }): LockInfo => ({
      holder: Option.fromUndefinedOr(holders[0]),
      waiters
    }))
  })

const resourceOf = (key: string): string => `lock/${key}`

const locks = family("lock", "a lock", "lock")

const callOf = <A, E, R>(
  method: "withLock" | "tryLock",
  key: string,
  { confirm, name, order, owner, passes, reentrant, ttl, waitFor }: LockOptions,
  section: (lease: Lease) => Effect.Effect<A, E, R>
) => ({
  name: `DistributedLock.${method}`,
  family: locks,
  label: name,
  key,
  door: (store: LeaseStore["Service"], now: () => number) => {
    const request = { resource: resourceOf(key), owner, ttl, waitFor }
    const wish = { store, request, wait: method === "withLock", confirm }
    return order === "cohort" ? cohortDoor(wish, passes, now) : new ArrivalDoor(wish)
  },
  section,
  again: (lease: Lease): Effect.Effect<A, E | LeaseLost | WouldDeadlock, R> =>
    reentrant === true ? lease.guard(section(lease)) : Effect.fail(new WouldDeadlock({ key }))
})

const checked = <A, E, R>(
  key: string,
  options: LockOptions,
  run: () => Effect.Effect<A, E, R>
): Effect.Effect<A, E | InvalidClaim, R> =>
  Effect.suspend((): Effect.Effect<A, E | InvalidClaim, R> => {
    const wrong = checkKey(key) ?? checkPasses(options.passes)
    return wrong === undefined ? run() : Effect.fail(wrong)
  })

const sectionOf = <A, E, R>(section: Section<A, E, R>): (lease: Lease) => Effect.Effect<A, E, R> =>
  Effect.isEffect(section) ? () => section : section
