import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ClaimError, Lease, LeaseTimeout, Restore } from "../Lease.ts"
import { bounded } from "./bounded.ts"
import { Slot } from "./Slot.ts"

/** What a local waiter is given: the lease, passed on; or nothing, and it has to claim for itself. */
type Turn = { readonly lease: Lease | undefined }

/** One caller that wants in. Times are monotonic milliseconds. */
export interface Entry {
  /** Claims from the store within that time; undefined where it is refused without waiting. */
  readonly claim: (waitFor: number) => Effect.Effect<Lease | undefined, ClaimError>
  readonly timeout: Effect.Effect<never, LeaseTimeout>
  readonly waitFor: number
  /** For how long after the store's grant the lease may be passed on. */
  readonly lasting: number
  readonly now: () => number
  readonly restore: Restore
}

/**
 * The fibers of one process that want one key. One of them stands in the store's line for all; the lease goes from one
 * to the next without a round trip until its block of tokens is used up or `until` has come, then back to the store.
 *
 * All methods run in an uninterruptible region; only the waits are restored.
 */
export class Cohort {
  private readonly line: Array<Slot<Turn>> = []
  private readonly empty: () => void
  private until = 0
  constructor(empty: () => void) {
    this.empty = empty
  }

  /** The first of the cohort: claims from the store. Whoever goes without leaves the lead to the next. */
  lead(entry: Entry, waitFor: number): Effect.Effect<Lease | undefined, ClaimError> {
    return Effect.onExit(entry.claim(waitFor), (exit) =>
      Effect.sync(() => {
        if (Exit.isSuccess(exit) && exit.value !== undefined) this.until = entry.now() + entry.lasting
        else this.next(undefined)
      }))
  }

  /** Stands in the local line, then takes what is passed on, or leads. */
  follow(entry: Entry): Effect.Effect<Lease | undefined, ClaimError> {
    const start = entry.now()
    const slot = new Slot<Turn>()
    this.line.push(slot)
    return entry.restore(bounded(slot.await, entry.waitFor, entry.timeout)).pipe(
      Effect.onError(() => Effect.sync(() => this.leaveLine(slot))),
      Effect.flatMap(({ lease }) =>
        lease === undefined
          ? this.lead(entry, Math.max(0, entry.waitFor - (entry.now() - start)))
          : Effect.succeed(lease)
      )
    )
  }

  /** The lease, passed on to the next in line if there is one and it may still be; undefined: give it back. */
  pass(lease: Lease, now: number): Lease | undefined {
    const passed = this.line.length > 0 && now < this.until ? lease.pass() : undefined
    if (passed !== undefined) this.next(passed)
    return passed
  }

  /** Lets the next in line go on, with a lease or to claim one; nobody there: the cohort is over. */
  next(lease: Lease | undefined): void {
    const slot = this.line.shift()
    if (slot === undefined) this.empty()
    else slot.give({ lease })
  }

  private leaveLine(slot: Slot<Turn>): void {
    const index = this.line.indexOf(slot)
    if (index >= 0) {
      this.line.splice(index, 1)
      return
    }
    // It was served while it left: what it was given goes to the next, or back.
    const lease = slot.given?.lease
    if (this.line.length === 0) lease?.releaseUnsafe()
    this.next(this.line.length === 0 ? undefined : lease)
  }
}
