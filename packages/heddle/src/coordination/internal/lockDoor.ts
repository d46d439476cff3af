import * as Effect from "effect/Effect"
import type { LockOptions } from "../DistributedLock.ts"
import { LeaseTimeout } from "../Lease.ts"
import type { Lease, Look, Restore } from "../Lease.ts"
import { ask, giveBack } from "./leaseDoor.ts"
import type { Door, Wish } from "./leaseDoor.ts"
import { toMillis } from "./leaseRequest.ts"
import { Cohort } from "./lockCohort.ts"

const allCohorts = new WeakMap<Wish["store"], Map<string, Cohort>>()

/** Those of one store in this process, by resource. */
const cohortsOf = (store: Wish["store"]): Map<string, Cohort> => {
  let found = allCohorts.get(store)
  if (found === undefined) allCohorts.set(store, found = new Map())
  return found
}

/** The callers of this process stand in the store's line as one. */
export const cohortDoor = (wish: Wish, passes: LockOptions["passes"], now: () => number): Door => {
  const { request, store, wait } = wish
  const { resource } = request
  const cohorts = cohortsOf(store)
  const cohort = new Cohort(() => cohorts.delete(resource))
  let mine = cohort
  const enter = (restore: Restore, { at: start }: Look) =>
    Effect.suspend(() => {
      const waitFor = toMillis(request.waitFor, 30_000)
      const entry = {
        claim: (waitFor: number) => ask(wish, { ...request, waitFor, tokens: (passes ?? 16) + 1 }, restore),
        timeout: Effect.suspend(() => Effect.fail(new LeaseTimeout({ resource, waitedMillis: now() - start }))),
        waitFor,
        lasting: toMillis(request.ttl, 10_000) / 2,
        now,
        restore
      }
      const found = cohorts.get(resource)
      if (found === undefined) {
        cohorts.set(resource, cohort)
        return cohort.lead(entry, waitFor)
      }
      mine = found
      return wait ? found.follow(entry) : Effect.succeed(undefined)
    })
  const leave = (lease: Lease) =>
    mine.pass(lease, now()) === undefined
      ? Effect.ensuring(giveBack(lease, wish), Effect.sync(() => mine.next(undefined)))
      : Effect.void
  return { enter, leave }
}
