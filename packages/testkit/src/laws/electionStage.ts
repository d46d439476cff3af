import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { LeaderElection, type Lease, LeaseStore } from "heddle/coordination"
import type { PatternLaw } from "./patternStage.ts"
import { eventually, seen } from "./Stage.ts"

export type ElectionLaw = PatternLaw<LeaderElection.Needs>

export const resourceOf = (name: string): string => `election/${name}`

const sees = (
  name: string,
  what: string,
  is: Parameters<typeof seen>[3]
): Effect.Effect<void, Lease.ClaimError, LeaseStore.LeaseStore> =>
  Effect.flatMap(LeaseStore.LeaseStore, (store) => seen(store, resourceOf(name), what, is))

/** Waits until so many stand in line. */
export const waits = (name: string, count: number) =>
  sees(name, `${count} campaign`, ({ waiters }) => waiters.length === count)

/** Waits until nobody leads or campaigns. */
export const free = (name: string) =>
  sees(name, "nobody leads", ({ holders, waiters }) => holders.length + waiters.length === 0)

/** Follows who leads, and notes it. */
export const observing = (name: string) =>
  Effect.gen(function*() {
    const heard: Array<string> = []
    const terms: Array<bigint> = []
    const hear = (now: Option.Option<LeaderElection.Leader>) =>
      Effect.sync(() => {
        heard.push(Option.match(now, { onNone: () => "nobody", onSome: ({ owner, value }) => `${owner}:${value}` }))
        if (Option.isSome(now)) terms.push(now.value.term)
      })
    yield* Effect.forkScoped(Stream.runForEach(LeaderElection.observe(name), hear))
    const until = (what: string) => eventually(`${what} is seen`, Effect.sync(() => heard.at(-1) === what))
    return { heard, terms, until }
  })
