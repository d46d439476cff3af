import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ClaimError, ClaimRequest, Lease, Look, Restore, StoreUnavailable } from "../Lease.ts"
import type { LeaseStore } from "../LeaseStore.ts"

/** A way in: how one caller gets the lease, and how it leaves when its section is over. */
export interface Door {
  /** The lease; undefined where it is refused without waiting. */
  enter(restore: Restore, began: Look): Effect.Effect<Lease | undefined, ClaimError>
  /** Gives back, or passes on, at once; answers with what there is to wait for then. */
  leave(lease: Lease): Effect.Effect<void, StoreUnavailable>
}

/** What one caller wants, and whether it waits for it. */
export interface Wish {
  readonly store: LeaseStore["Service"]
  readonly request: ClaimRequest
  readonly wait: boolean
  /** Whether it waits until the store has seen the release. */
  readonly confirm?: boolean | undefined
}

export const ask = (
  { store, wait }: Wish,
  request: ClaimRequest,
  restore: Restore,
  began?: Look
): Effect.Effect<Lease | undefined, ClaimError> =>
  wait ? store.acquire(request, restore, began) : Effect.map(store.tryAcquire(request, restore), Option.getOrUndefined)

export const giveBack = (lease: Lease, { confirm }: Wish): Effect.Effect<void, StoreUnavailable> => {
  if (confirm === true) return lease.release
  lease.releaseUnsafe()
  return Effect.void
}

/** Every caller stands in the store's line for itself. */
export class ArrivalDoor implements Door {
  private readonly wish: Wish
  constructor(wish: Wish) {
    this.wish = wish
  }
  enter(restore: Restore, began: Look) {
    return ask(this.wish, this.wish.request, restore, began)
  }
  leave(lease: Lease) {
    return giveBack(lease, this.wish)
  }
}
