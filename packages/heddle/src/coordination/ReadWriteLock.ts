/**
 * Lets many readers or one writer at a time work on a key, across processes.
 *
 * Readers and writers are served in one line, in order of arrival, so neither starves; readers that stand in it side by side
 * enter together. A writer can become a reader without a gap; a reader cannot become a writer, and the types offer no way to
 * try: two that did would wait for each other for ever.
 *
 * **When to use**
 *
 * Where reads are many, take long, and must not see a write half done. With short sections `DistributedLock` is as fast: a
 * turn costs the same round trips.
 *
 * **Gotchas**
 *
 * A message that left before the lease was lost may arrive after it. Send `lease.token` along with each write and let the
 * receiver refuse a smaller one than it has seen.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { LockError, TryLockError } from "./DistributedLock.ts"
import { WouldDeadlock } from "./DistributedLock.ts"
import { agreed, agreedAtOnce, attempt, waits } from "./internal/leaseAttempt.ts"
import { ArrivalDoor } from "./internal/leaseDoor.ts"
import { checkKey, mostPermits } from "./internal/leaseRequest.ts"
import { family } from "./internal/lockMetrics.ts"
import type { HolderInfo, InvalidClaim, Lease, LeaseLost, StoreUnavailable, WaiterInfo } from "./Lease.ts"
import type { Shared } from "./LeaseAbility.ts"
import { LeaseStore } from "./LeaseStore.ts"

/**
 * How to take a read-write lock.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReadWriteOptions {
  /** How long the lock outlives a holder that died, 10 ms to 1 day. A live holder renews it. Default 10 seconds. */
  readonly ttl?: Duration.Input | undefined
  /** How long to wait at most; 0 asks once, `Infinity` waits for ever. It does not bound the work. Default 30 seconds. */
  readonly waitFor?: Duration.Input | undefined
  /** Who holds, as `inspect` shows it. Default: the layer's `owner`. */
  readonly owner?: string | undefined
}

/**
 * What a reader holds.
 *
 * @category models
 * @since 0.1.0
 */
export type ReadLease = Pick<Lease, "id" | "token" | "isAlive" | "guard">

/**
 * What a writer holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface WriteLease extends ReadLease {
  /**
   * Becomes a reader, in one step: no writer comes in between, and readers that wait enter at once. The rest of the section
   * runs as a reader; there is no way back. One round trip.
   *
   * **Interruption**
   *
   * The store may have seen it. The same holds where it fails with `StoreUnavailable`: from then on, act as a reader.
   */
  readonly downgrade: Effect.Effect<ReadLease, LeaseLost | StoreUnavailable>
}

/**
 * Who holds a lock and who waits for it, in order of arrival.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReadWriteInfo {
  readonly writer: HolderInfo | undefined
  readonly readers: ReadonlyArray<HolderInfo>
  readonly waiters: ReadonlyArray<WaiterInfo & { readonly mode: "read" | "write" }>
}

/**
 * What a read-write lock stands on.
 *
 * @category models
 * @since 0.1.0
 */
export type Needs = LeaseStore | Shared

/**
 * Runs the section while nobody writes; other readers may read beside it.
 *
 * **Interruption**
 *
 * While it waits it leaves the line at once, and a grant made at that moment goes back. While the section runs, the section is
 * interrupted, its finalizers end, and the lock is given back.
 *
 * **Example** (Many read, one writes)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { LeaseStore, ReadWriteLock } from "heddle/coordination"
 *
 * let table = { route: "a", version: 1 }
 * const read = ReadWriteLock.withRead("routes")(Effect.sync(() => table))
 * const write = ReadWriteLock.withWrite("routes")(
 *   Effect.sync(() => {
 *     table = { route: "b", version: 2 }
 *   })
 * )
 * const program = Effect.andThen(write, read)
 *
 * await Effect.runPromise(program.pipe(Effect.provide(LeaseStore.layerMemory))) // => { route: "b", version: 2 }
 * ```
 *
 * @category locking
 * @since 0.1.0
 */
export const withRead = (key: string, options: ReadWriteOptions = {}) =>
<A, E, R>(
  section: Effect.Effect<A, E, R> | ((lease: ReadLease) => Effect.Effect<A, E, R>)
): Effect.Effect<A, E | LockError, R | Needs> =>
  checked(
    key,
    () => attempt({ ...callOf("withRead", key, options, readSection(section)), refused: waits, failed: agreed })
  )

/**
 * Runs the section while nobody else reads or writes.
 *
 * **Interruption**
 *
 * As `withRead`.
 *
 * @category locking
 * @since 0.1.0
 */
export const withWrite = (key: string, options: ReadWriteOptions = {}) =>
<A, E, R>(
  section: Effect.Effect<A, E, R> | ((lease: WriteLease) => Effect.Effect<A, E, R>)
): Effect.Effect<A, E | LockError, R | Needs> =>
  checked(
    key,
    () => attempt({ ...callOf("withWrite", key, options, writeSection(section)), refused: waits, failed: agreed })
  )

/**
 * `withRead` if nobody writes now and nobody waits, else `None` without waiting.
 *
 * **Interruption**
 *
 * While the section runs, as `withRead`.
 *
 * @category locking
 * @since 0.1.0
 */
export const tryRead = (key: string, options: Omit<ReadWriteOptions, "waitFor"> = {}) =>
<A, E, R>(
  section: Effect.Effect<A, E, R> | ((lease: ReadLease) => Effect.Effect<A, E, R>)
): Effect.Effect<Option.Option<A>, E | TryLockError, R | Needs> =>
  checked(key, () => {
    const under = readSection(section)
    return attempt({
      ...callOf("tryRead", key, options, (lease) => Effect.map(under(lease), Option.some)),
      refused: Effect.succeedNone,
      failed: agreedAtOnce
    })
  })

/**
 * `withWrite` if nobody reads or writes now and nobody waits, else `None` without waiting.
 *
 * **Interruption**
 *
 * While the section runs, as `withRead`.
 *
 * @category locking
 * @since 0.1.0
 */
export const tryWrite = (key: string, options: Omit<ReadWriteOptions, "waitFor"> = {}) =>
<A, E, R>(
  section: Effect.Effect<A, E, R> | ((lease: WriteLease) => Effect.Effect<A, E, R>)
): Effect.Effect<Option.Option<A>, E | TryLockError, R | Needs> =>
  checked(key, () => {
    const under = writeSection(section)
    return attempt({
      ...callOf("tryWrite", key, options, (lease) => Effect.map(under(lease), Option.some)),
      refused: Effect.succeedNone,
      failed: agreedAtOnce
    })
  })

/**
 * Who reads, who writes, and who waits. One round trip.
 *
 * @category inspecting
 * @since 0.1.0
 */
export const inspect = (key: string): Effect.Effect<ReadWriteInfo, InvalidClaim | StoreUnavailable, LeaseStore> =>
  checked(key, () =>
    Effect.map(
      Effect.flatMap(LeaseStore, (store) => store.inspect(resourceOf(key))),
      ({ holders, waiters }): ReadWriteInfo => ({
        writer: holders.find(({ permits }) => permits === mostPermits),
        readers: holders.filter(({ permits }) => permits < mostPermits),
        waiters: waiters.map((waiter) => Object.assign({}, waiter, { mode: modeOf(waiter.permits) }))
      })
    ))

const resourceOf = (key: string): string => `rwlock/${key}`

const modeOf = (permits: number): "read" | "write" => permits === mostPermits ? "write" : "read"

const locks = family("rwlock", "a read-write lock", "mode")

const callOf = <A, E, R>(
  method: "withRead" | "withWrite" | "tryRead" | "tryWrite",
  key: string,
  { owner, ttl, waitFor }: ReadWriteOptions,
  section: (lease: Lease) => Effect.Effect<A, E, R>
) => {
  const mode = method.endsWith("Read") ? "read" : "write"
  return {
    name: `ReadWriteLock.${method}`,
    family: locks,
    label: mode,
    key,
    door: (store: LeaseStore["Service"]) => {
      const permits = mode === "read" ? 1 : mostPermits
      const request = { resource: resourceOf(key), permits, limit: mostPermits, owner, ttl, waitFor }
      return new ArrivalDoor({ store, request, wait: method.startsWith("with") })
    },
    section,
    again: () => Effect.fail(new WouldDeadlock({ key }))
  }
}

const readSection =
  <A, E, R>(section: Effect.Effect<A, E, R> | ((lease: ReadLease) => Effect.Effect<A, E, R>)) =>
  (lease: Lease): Effect.Effect<A, E, R> => Effect.isEffect(section) ? section : section(lease)

const writeSection =
  <A, E, R>(section: Effect.Effect<A, E, R> | ((lease: WriteLease) => Effect.Effect<A, E, R>)) =>
  (lease: Lease): Effect.Effect<A, E, R> => Effect.isEffect(section) ? section : section(writeLease(lease))

const writeLease = (lease: Lease): WriteLease => ({
  id: lease.id,
  token: lease.token,
  isAlive: () => lease.isAlive(),
  guard: (effect) => lease.guard(effect),
  downgrade: Effect.as(Effect.catchTag(lease.shrink(1), "InvalidClaim", Effect.die), lease)
})

const checked = <A, E, R>(
  key: string,
  run: () => Effect.Effect<A, E, R>
): Effect.Effect<A, E | InvalidClaim, R> =>
  Effect.suspend((): Effect.Effect<A, E | InvalidClaim, R> => {
    const wrong = checkKey(key)
    return wrong === undefined ? run() : Effect.fail(wrong)
  })
