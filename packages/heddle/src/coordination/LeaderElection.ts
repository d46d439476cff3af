/**
 * Makes one of many processes the leader, and tells all of them who it is.
 *
 * Who campaigns stands in line; when its turn comes it leads for one term, until it resigns, dies, or can no longer prove
 * that it leads. The term is a fencing token: each leader's is above those of all before it.
 *
 * **When to use**
 *
 * For work that one process does for all for as long as it lives: a scheduler, a compactor, the writer of a log. `Singleton`
 * is this for one effect; `DistributedLock` is for work that is over soon.
 *
 * **Gotchas**
 *
 * A message that a leader sent may arrive after its term. Send `term` along with it, and let the receiver refuse an older one
 * than it has seen.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { elected, leadershipOf, leading, resourceOf } from "./internal/electionRun.ts"
import { following } from "./internal/following.ts"
import { checkKey } from "./internal/leaseRequest.ts"
import type { HolderInfo, Inspection, InvalidClaim, Lease, LeaseLost, LeaseTimeout, StoreUnavailable } from "./Lease.ts"
import type { Described, Fenced } from "./LeaseAbility.ts"
import { LeaseStore } from "./LeaseStore.ts"

/**
 * How to stand for election.
 *
 * @category models
 * @since 0.1.0
 */
export interface CampaignOptions {
  /** What the leader says of itself, as `leader` and `observe` tell it: at most 65,536 characters. Default: nothing. */
  readonly value?: string | undefined
  /** Who campaigns. Default: the layer's `owner`. */
  readonly owner?: string | undefined
  /** How long the term outlives a leader that died, 10 ms to 1 day. Default 10 seconds. */
  readonly ttl?: Duration.Input | undefined
  /** How long to campaign at most. Default: for ever. */
  readonly waitFor?: Duration.Input | undefined
}

/**
 * Who leads.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leader {
  readonly id: string
  readonly owner: string
  readonly value: string
  readonly term: bigint
}

/**
 * One's own term.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leadership extends Pick<Lease, "id" | "run" | "guard"> {
  readonly term: bigint
  /** Whether the term can be proved to last at this moment: one comparison with the clock, no round trip. */
  isLeader(): boolean
  /** Replaces what the leader says of itself. One round trip. */
  proclaim(value: string): Effect.Effect<void, InvalidClaim | LeaseLost | StoreUnavailable>
  /**
   * Ends the term: interrupts what runs under it, waits for its finalizers, then gives the term up and waits until the store
   * has seen it. From inside of what runs, it interrupts its own caller.
   */
  readonly resign: Effect.Effect<void, StoreUnavailable>
}

/**
 * Why a campaign can fail.
 *
 * @category errors
 * @since 0.1.0
 */
export type CampaignError = InvalidClaim | LeaseTimeout | StoreUnavailable

/**
 * What an election stands on.
 *
 * @category models
 * @since 0.1.0
 */
export type Needs = LeaseStore | Described | Fenced

/**
 * Waits until it leads, and leads until the scope closes, it resigns, or the term is lost.
 *
 * **Details**
 *
 * When the scope closes, what runs under the term is interrupted and has ended before the term is given up.
 *
 * **Interruption**
 *
 * An interrupted campaign leaves the line at once. A term that was won at that moment is given up.
 *
 * **Example** (Leading for as long as a scope is open)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { LeaderElection, LeaseStore } from "heddle/coordination"
 *
 * const program = Effect.scoped(Effect.gen(function*() {
 *   const mine = yield* LeaderElection.campaign("scheduler", { value: "here" })
 *   const seen = yield* Effect.flatMap(
 *     LeaderElection.leader("scheduler"),
 *     Effect.fromOption
 *   )
 *   return seen.value === "here" && seen.term === mine.term
 * }))
 *
 * await Effect.runPromise(program.pipe(Effect.provide(LeaseStore.layerMemory))) // => true
 * ```
 *
 * @category campaigning
 * @since 0.1.0
 */
export const campaign = (
  election: string,
  options: CampaignOptions = {}
): Effect.Effect<Leadership, CampaignError, Scope.Scope | Needs> =>
  checked(election, (store) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        elected(store, election, options, restore),
        (term) => Effect.as(Effect.addFinalizer(() => term.close), leadershipOf(term))
      )
    ))

/**
 * Runs the effect for as long as it leads: campaigns, runs it, and on the loss of the term interrupts it and campaigns again.
 * Ends when the effect does.
 *
 * **Details**
 *
 * The effect's finalizers have ended before anybody can learn that the term is over, unless they outlast it. An effect that
 * resigns is interrupted, and campaigns again at the end of the line. A store that cannot be reached fails the first
 * campaign; later ones are tried again until it can be reached, after 100 ms and at most 5 s, with a warning in the log.
 *
 * **Interruption**
 *
 * Leaves the line; or interrupts the effect, waits for its finalizers, and resigns.
 *
 * **Example** (One of many does the work)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { LeaderElection, LeaseStore } from "heddle/coordination"
 *
 * const work = LeaderElection.runAsLeader("compactor")((mine) =>
 *   Effect.succeed(mine.term > 0n)
 * )
 * await Effect.runPromise(work.pipe(Effect.provide(LeaseStore.layerMemory))) // => true
 * ```
 *
 * @category campaigning
 * @since 0.1.0
 */
export const runAsLeader = (election: string, options: CampaignOptions = {}) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R> | ((leadership: Leadership) => Effect.Effect<A, E, R>)
): Effect.Effect<A, E | CampaignError, R | Needs> =>
  checked(
    election,
    (store) => leading(store, election, options, (leadership) => Effect.isEffect(effect) ? effect : effect(leadership))
  )

/**
 * Who leads now. One round trip.
 *
 * @category observing
 * @since 0.1.0
 */
export const leader = (
  election: string
): Effect.Effect<Option.Option<Leader>, InvalidClaim | StoreUnavailable, LeaseStore | Described> =>
  checked(election, (store) => Effect.map(store.inspect(resourceOf(election)), leaderOf))

/**
 * Who leads: now, and again after each change.
 *
 * **Details**
 *
 * A slow reader sees the latest, never an older term after a newer; a term that came and went while it did not look it may not
 * see. The stream outlives a store that cannot be reached: it fails only if that is so at its start, and afterwards goes on
 * when the store is back, with what is true then.
 *
 * @category observing
 * @since 0.1.0
 */
export const observe = (
  election: string
): Stream.Stream<Option.Option<Leader>, InvalidClaim | StoreUnavailable, Needs> =>
  Stream.unwrap(checked(election, (store) =>
    Effect.sync(() => {
      let seen: Option.Option<Leader> | undefined
      let last = 0n
      const isNews = (now: Option.Option<Leader>): boolean => {
        const older = Option.isSome(now) && now.value.term < last
        const same = seen !== undefined && isSame(seen, now)
        if (older || same) return false
        if (Option.isSome(now)) last = now.value.term
        seen = now
        return true
      }
      return Stream.filter(Stream.map(following(store.changes(resourceOf(election))), leaderOf), isNews)
    })))

const leaderOf = ({ holders }: Inspection): Option.Option<Leader> =>
  Option.map(Option.fromUndefinedOr(holders[0]), ({ id, owner, token, value }: HolderInfo) => ({
    id,
    owner,
    value,
    term: token
  }))

const isSame = (one: Option.Option<Leader>, other: Option.Option<Leader>): boolean =>
  Option.isNone(one) || Option.isNone(other)
    ? one._tag === other._tag
    : one.value.term === other.value.term && one.value.value === other.value.value

const checked = <A, E, R>(
  election: string,
  run: (store: LeaseStore["Service"]) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | InvalidClaim, R | LeaseStore> =>
  Effect.flatMap(LeaseStore, (store): Effect.Effect<A, E | InvalidClaim, R> => {
    const wrong = checkKey(election, "election")
    return wrong === undefined ? run(store) : Effect.fail(wrong)
  })
