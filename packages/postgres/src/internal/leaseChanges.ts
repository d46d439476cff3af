import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { Lease, LeaseBackend } from "heddle/coordination"
import { keyOf, type Looked } from "./leaseOps.ts"

/** What the observers need of their surroundings. */
export interface Surroundings {
  /** Looks; and lets the server tell of changes for the next `patience` ms, if asked to. */
  readonly look: (resource: string, watch: boolean) => Effect.Effect<Looked, Lease.StoreUnavailable>
  /** Lets the server tell no longer. */
  readonly leave: (resource: string) => void
  /** How often (ms) the server is asked to go on telling; it is the longest that a change stays unseen. */
  readonly heartbeat: number
  readonly now: () => number
}

/**
 * Observes resources: looks when the server tells of a change, when a lease or a waiter may end by itself, and after a gap in
 * what it tells.
 */
export class LeaseChanges {
  private readonly around: Surroundings
  private readonly observers = new Map<string, Set<Latch.Latch>>()
  constructor(around: Surroundings) {
    this.around = around
  }

  /** Looks again at the resource with this key. */
  readonly wake = (key: string): void => this.observers.get(key)?.forEach((latch) => latch.openUnsafe())

  /** Looks again at all: some changes may not have been told. */
  readonly wakeAll = (): void => this.observers.forEach((_, key) => this.wake(key))

  readonly changes: LeaseBackend.Steps["changes"] = (resource) => {
    const { heartbeat, look, now } = this.around
    return Stream.callback<Lease.Inspection, Lease.StoreUnavailable>(
      (queue) =>
        Effect.flatMap(this.observe(resource), (latch) => {
          let told = -Infinity
          return Effect.forever(Effect.suspend(() => {
            latch.closeUnsafe()
            const asked = now()
            const again = asked - told >= heartbeat / 2
            if (again) told = asked
            return Effect.flatMap(look(resource, again), ({ inspection, next = Infinity }) => {
              Queue.offerUnsafe(queue, inspection)
              return Effect.raceFirst(latch.await, Effect.sleep(Math.min(next + 1, heartbeat)))
            })
          }))
        }),
      { bufferSize: 1, strategy: "sliding" }
    )
  }

  private readonly observe = (resource: string) => {
    const key = keyOf(resource)
    return Effect.acquireRelease(
      Effect.sync(() => {
        const latch = Latch.makeUnsafe(false)
        this.observers.set(key, (this.observers.get(key) ?? new Set()).add(latch))
        return latch
      }),
      (latch) =>
        Effect.sync(() => {
          const all = this.observers.get(key)
          all?.delete(latch)
          if (all?.size !== 0) return
          this.observers.delete(key)
          this.around.leave(resource)
        })
    )
  }
}
