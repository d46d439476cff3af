import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import { traced } from "../../internal/traced.ts"
import type { CampaignError, CampaignOptions, Leadership } from "../LeaderElection.ts"
import type { ClaimRequest, Restore, StoreUnavailable } from "../Lease.ts"
import type { LeaseStore } from "../LeaseStore.ts"
import { backOff } from "./following.ts"
import { type Counts, Tenure } from "./Tenure.ts"

type Store = LeaseStore["Service"]

const counts: Counts = {
  begun: Metric.counter("heddle_election_terms_total", {
    description: "Terms that this process has won",
    incremental: true
  }),
  now: Metric.gauge("heddle_election_leading", {
    description: "Terms that this process leads now, as far as it has found out"
  })
}

export const resourceOf = (election: string): string => `election/${election}`

export const requestOf = (
  election: string,
  { owner, ttl, value, waitFor = Infinity }: CampaignOptions
): ClaimRequest => ({ resource: resourceOf(election), owner, value, ttl, waitFor })

/** Waits for a term; whoever calls it leaves the term, whatever comes. */
export const elected = (
  store: Store,
  election: string,
  options: CampaignOptions,
  restore: Restore
): Effect.Effect<Tenure, CampaignError> =>
  traced(
    "LeaderElection.campaign",
    { "heddle.backend": store.backend, "heddle.election": election },
    store.acquire(requestOf(election, options), restore).pipe(
      Effect.catchTag("LimitMismatch", Effect.die),
      Effect.flatMap((lease) => Tenure.make(lease, counts, store.backend))
    )
  )

/** A term as the one who leads sees it. */
export const leadershipOf = (term: Tenure): Leadership => ({
  id: term.lease.id,
  term: term.lease.token,
  isLeader: () => term.isHeld(),
  run: (effect) => term.run(effect),
  guard: (effect) => term.guard(effect),
  proclaim: (value) => term.update(value),
  resign: term.leave
})

/** Runs the work term after term until it has ended by itself. `insists`: also a first campaign is tried again. */
export const leading = <A, E, R>(
  store: Store,
  election: string,
  options: CampaignOptions,
  work: (leadership: Leadership) => Effect.Effect<A, E, R>,
  insists = false
): Effect.Effect<A, E | CampaignError, R> => {
  const once = Effect.suspend(() => {
    let ended: Exit.Exit<A, E> | undefined
    const section = (term: Tenure) =>
      Effect.onExit(Effect.suspend(() => work(leadershipOf(term))), (exit) =>
        Effect.sync(() => {
          ended = exit
        }))
    const term = Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        elected(store, election, options, restore),
        (term) => Effect.onExit(restore(Effect.suspend(() => term.run(Effect.exit(section(term))))), () => term.close)
      )
    )
    // Work that ended by itself has ended, also where its term was over by then.
    return term.pipe(
      Effect.catchTag(
        "LeaseLost",
        (lost) => ended === undefined || Exit.hasInterrupts(ended) ? Effect.fail(lost) : Effect.succeed(ended)
      )
    )
  })
  const again = Effect.retry(Effect.tapErrorTag(once, "StoreUnavailable", warn), {
    schedule: backOff,
    while: (error) => error._tag === "StoreUnavailable"
  })
  const settle = (attempt: typeof once): Effect.Effect<A, E | CampaignError, R> =>
    Effect.matchEffect(attempt, {
      onFailure: (error) => error._tag === "LeaseLost" ? Effect.suspend(() => settle(again)) : Effect.fail(error),
      onSuccess: (exit) => exit
    })
  return settle(insists ? again : once)
}

const warn = (error: StoreUnavailable) => Effect.logWarning(`LeaderElection campaigns again: ${error.message}`)
