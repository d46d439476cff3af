import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { LockOptions } from "../DistributedLock.ts"
import { LeaseTimeout } from "../Lease.ts"
import type { ClaimError, Lease, Restore, StoreUnavailable } from "../Lease.ts"
import type { LeaseStore } from "../LeaseStore.ts"
import { toMillis } from "./leaseRequest.ts"
import { Cohort } from "./lockCohort.ts"

export const resourceOf = (key: string): string => `lock/${key}`

/** A way into a lock: how one caller gets the lease, and how it leaves when its section is over. */
export interface Door {
  /** The lease; undefined where it is refused without waiting. */
  enter(restore: Restore): Effect.Effect<Lease | undefined, ClaimError>
  leave(lease: Lease): Effect.Effect<void, StoreUnavailable>
}

interface Wish {
  readonly store: LeaseStore["Service"]
  readonly key: string
  readonly options: LockOptions
  readonly wait: boolean
}

const acquire = (
  { options, key, store, wait }: Wish,
  waitFor: LockOptions["waitFor"],
  tokens: number,
  restore: Restore
) => {
  const request = { resource: resourceOf(key), owner: options.owner, ttl: options.ttl, waitFor, tokens }
  return wait
    ? store.acquire(request, restore)
    : Effect.map(store.tryAcquire(request, restore), Option.getOrUndefined)
}

const giveBack = (lease: Lease, options: LockOptions) =>
  options.confirm === true ? lease.release : Effect.sync(() => lease.releaseUnsafe())

/** Every caller stands in the store's line for itself. */
export class ArrivalDoor implements Door {
  private readonly wish: Wish
  constructor(wish: Wish) {
    this.wish = wish
  }
  enter(restore: Restore) {
    return acquire(this.wish, this.wish.options.waitFor, 1, restore)
  }
  leave(lease: Lease) {
    return giveBack(lease, this.wish.options)
  }
}

/** The callers of this process stand in the store's line as one. */
export const cohortDoor = (wish: Wish, cohorts: Map<string, Cohort>, now: () => number): Door => {
  const { key, options, wait } = wish
  const cohort = new Cohort(() => cohorts.delete(key))
  let mine = cohort
  const enter = (restore: Restore) =>
    Effect.suspend(() => {
      const start = now()
      const waitFor = toMillis(options.waitFor, 30_000)
      const entry = {
        claim: (waitFor: number) => acquire(wish, waitFor, (options.passes ?? 16) + 1, restore),
        timeout: Effect.suspend(() =>
          Effect.fail(new LeaseTimeout({ resource: resourceOf(key), waitedMillis: now() - start }))
        ),
        waitFor,
        lasting: toMillis(options.ttl, 10_000) / 2,
        now,
        restore
      }
      const found = cohorts.get(key)
      if (found === undefined) {
        cohorts.set(key, cohort)
        return cohort.lead(entry, waitFor)
      }
      mine = found
      return wait ? found.follow(entry) : Effect.succeed(undefined)
    })
  const leave = (lease: Lease) =>
    Effect.suspend(() =>
      mine.pass(lease, now()) === undefined
        ? Effect.ensuring(giveBack(lease, options), Effect.sync(() => mine.next(undefined)))
        : Effect.void
    )
  return { enter, leave }
}
