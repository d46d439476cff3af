/**
 * Lets no more than so many permits be held at a time, over all processes.
 *
 * Callers take one or more permits and give them back when their section ends. They are served in order of arrival: a large
 * request is not overtaken by small ones. Each holder's permits are a lease of their own, so a process that dies gives back
 * its own permits, in its own time, and no others.
 *
 * **When to use**
 *
 * To share a limit that a database or an API sets for all processes together. Inside one process Effect's `Semaphore` is enough;
 * a limit of so many calls a second is a rate limiter's.
 *
 * **Gotchas**
 *
 * A section that takes permits of a semaphore of which it holds some already may wait for itself.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { atOnce, attempt, waits } from "./internal/leaseAttempt.ts"
import { ArrivalDoor } from "./internal/leaseDoor.ts"
import { checkKey, checkPermits, mostPermits } from "./internal/leaseRequest.ts"
import { family } from "./internal/lockMetrics.ts"
import type {
  ClaimError,
  Inspection,
  InvalidClaim,
  Lease,
  LeaseLost,
  StoreUnavailable,
  TryClaimError
} from "./Lease.ts"
import type { Weighted } from "./LeaseAbility.ts"
import { LeaseStore } from "./LeaseStore.ts"

/**
 * What all callers of a semaphore agree on, and how one of them takes permits.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Which semaphore: any string of 1 to 1,000 characters. */
  readonly key: string
  /** How many permits there are, 1 to 2,147,483,647: all callers name the same. `resize` changes how many there really are. */
  readonly permits: number
  /** How long permits outlive a holder that died, 10 ms to 1 day. A live holder renews them. Default 10 seconds. */
  readonly ttl?: Duration.Input | undefined
  /** How long to wait at most; 0 asks once, `Infinity` waits for ever. It does not bound the work. Default 30 seconds. */
  readonly waitFor?: Duration.Input | undefined
  /** Who holds, as `inspect` shows it. Default: the layer's `owner`. */
  readonly owner?: string | undefined
  /** A name for this semaphore's metrics (label `semaphore`); there should be few of them. Default: no label. */
  readonly name?: string | undefined
}

/**
 * What runs under permits: an effect, or a function of the lease, for its token.
 *
 * @category models
 * @since 0.1.0
 */
export type Section<A, E, R> = Effect.Effect<A, E, R> | ((lease: Lease) => Effect.Effect<A, E, R>)

/**
 * What a semaphore stands on.
 *
 * @category models
 * @since 0.1.0
 */
export type Needs = LeaseStore | Weighted

/**
 * Permits that all processes share.
 *
 * @category models
 * @since 0.1.0
 */
export interface DistributedSemaphore {
  /**
   * Waits for so many permits, runs the section, and gives them back. If they can no longer be proved held, the section is
   * interrupted before anybody else is let in, and the caller sees `LeaseLost`.
   *
   * **Interruption**
   *
   * While it waits it leaves the line at once, and a grant made at that moment goes back. While the section runs, the section is
   * interrupted, its finalizers end, and the permits are given back.
   */
  readonly withPermits: (
    permits: number
  ) => <A, E, R>(section: Section<A, E, R>) => Effect.Effect<A, E | ClaimError | LeaseLost, R | Needs>
  /** `withPermits(1)`. */
  readonly withPermit: <A, E, R>(section: Section<A, E, R>) => Effect.Effect<A, E | ClaimError | LeaseLost, R | Needs>
  /** `withPermits` if they are free now and nobody waits, else `None` without waiting. */
  readonly tryWithPermits: (permits: number) => <A, E, R>(
    section: Section<A, E, R>
  ) => Effect.Effect<Option.Option<A>, E | TryClaimError | LeaseLost, R | Needs>
  /** How many permits are free now: 0 where more are held than there are. One round trip. */
  readonly available: Effect.Effect<number, InvalidClaim | StoreUnavailable, Needs>
  /** Who holds and who waits, in order of arrival. One round trip. */
  readonly inspect: Effect.Effect<Inspection, InvalidClaim | StoreUnavailable, Needs>
  /**
   * Sets how many permits there are, for everyone, also while they are held and waited for. One round trip.
   *
   * **Details**
   *
   * Callers go on naming the old number, which stays the most that one of them can ask for. More permits are granted at once to
   * those who wait; of fewer, as many must first be given back. It lasts, also while nobody uses the semaphore, until it is set to
   * the number that callers name.
   */
  readonly resize: (permits: number) => Effect.Effect<void, InvalidClaim | StoreUnavailable, Needs>
}

/**
 * A semaphore by its key. Nothing is sent before it is used.
 *
 * **Example** (Two connections for all)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { DistributedSemaphore, LeaseStore } from "heddle/coordination"
 *
 * const connections = DistributedSemaphore.make({ key: "db", permits: 2 })
 * let open = 0
 * let most = 0
 * const query = connections.withPermit(Effect.gen(function*() {
 *   most = Math.max(most, ++open)
 *   yield* Effect.sleep("1 milli")
 *   open--
 * }))
 * const program = Effect.all([query, query, query, query], {
 *   concurrency: "unbounded"
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.provide(LeaseStore.layerMemory)))
 * most // => 2
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): DistributedSemaphore => {
  const { key, name, owner, permits: limit, ttl, waitFor } = options
  const resource = `semaphore/${key}`
  const callOf = <A, E, R>(
    method: "withPermits" | "tryWithPermits",
    permits: number,
    section: (lease: Lease) => Effect.Effect<A, E, R>
  ) => ({
    name: `DistributedSemaphore.${method}`,
    family: semaphores,
    label: name,
    key,
    door: (store: LeaseStore["Service"]) => {
      const request = { resource, permits, limit, owner, ttl, waitFor }
      return new ArrivalDoor({ store, request, wait: method === "withPermits" })
    },
    section
  })
  const checked = <A, E, R>(run: Effect.Effect<A, E, R>): Effect.Effect<A, E | InvalidClaim, R> =>
    Effect.suspend((): Effect.Effect<A, E | InvalidClaim, R> => {
      const wrong = checkKey(key) ?? checkPermits(limit, mostPermits)
      return wrong === undefined ? run : Effect.fail(wrong)
    })
  const inspect = checked(Effect.flatMap(LeaseStore, (store) => store.inspect(resource)))
  const withPermits: DistributedSemaphore["withPermits"] = (permits) => (section) =>
    checked(attempt({
      ...callOf("withPermits", permits, sectionOf(section)),
      refused: waits,
      failed: Effect.failCause
    }))
  const tryWithPermits: DistributedSemaphore["tryWithPermits"] = (permits) => (section) => {
    const under = sectionOf(section)
    return checked(attempt({
      ...callOf("tryWithPermits", permits, (lease) => Effect.map(under(lease), Option.some)),
      refused: Effect.succeedNone,
      failed: atOnce
    }))
  }
  return {
    withPermits,
    withPermit: withPermits(1),
    tryWithPermits,
    available: Effect.map(inspect, (now) => {
      const held = now.holders.reduce((sum, holder) => sum + holder.permits, 0)
      return Math.max(0, (now.limit ?? limit) - held)
    }),
    inspect,
    resize: (permits) =>
      checked(Effect.suspend(() => {
        const wrong = checkPermits(permits, mostPermits)
        return wrong === undefined
          ? Effect.flatMap(LeaseStore, (store) => store.resize(resource, permits))
          : Effect.fail(wrong)
      }))
  }
}

const semaphores = family("semaphore", "permits of a semaphore", "semaphore")

const sectionOf = <A, E, R>(section: Section<A, E, R>): (lease: Lease) => Effect.Effect<A, E, R> =>
  Effect.isEffect(section) ? () => section : section
