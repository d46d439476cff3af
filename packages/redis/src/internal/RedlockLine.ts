import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import type { Lease, LeaseBackend } from "heddle/coordination"
import type { Attempt } from "./RedlockQuorum.ts"

/** What a line needs of its surroundings. Times are milliseconds. */
export interface Surroundings {
  readonly attempt: (claim: LeaseBackend.Claim) => Effect.Effect<Attempt>
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  /** The longest between two attempts while somebody else holds. */
  readonly heartbeat: number
  /** For how long a line goes on asking nodes that do not answer. */
  readonly timeout: number
  readonly now: () => number
  readonly unreachable: Effect.Effect<never, Lease.StoreUnavailable>
  /** Told when the line has changed; `empty` when nobody stands in it. */
  readonly onChange: (empty: boolean) => void
}

/** A claim in line. */
interface Place {
  readonly claim: LeaseBackend.Claim
  readonly since: number
  readonly turn: Deferred.Deferred<LeaseBackend.Granted, Lease.StoreUnavailable>
}

/**
 * The claims of this process that wait for one resource, in order of arrival. Only the first asks the nodes; it asks when a
 * node tells of a change, when the one who holds may be gone, and after a heartbeat.
 */
export class RedlockLine {
  private readonly around: Surroundings
  private readonly places: Array<Place> = []
  private readonly changed = Latch.makeUnsafe(false)
  private asking: { readonly place: Place; readonly fiber: Fiber.Fiber<void> } | undefined
  constructor(around: Surroundings) {
    this.around = around
  }

  get waiters(): ReadonlyArray<Place> {
    return this.places
  }

  /** A node has told of a change. */
  wake(): void {
    this.changed.openUnsafe()
  }

  enter(claim: LeaseBackend.Claim): Effect.Effect<LeaseBackend.Granted, Lease.StoreUnavailable> {
    const place = {
      claim,
      since: this.around.now(),
      turn: Deferred.makeUnsafe<LeaseBackend.Granted, Lease.StoreUnavailable>()
    }
    this.places.push(place)
    this.serve()
    return Deferred.await(place.turn)
  }

  leave(id: string): void {
    const at = this.places.findIndex(({ claim }) => claim.id === id)
    if (at < 0) return
    this.places.splice(at, 1)
    if (this.asking?.place.claim.id === id) {
      this.asking.fiber.interruptUnsafe()
      this.asking = undefined
    }
    this.serve()
  }

  private serve(): void {
    const [place] = this.places
    this.around.onChange(place === undefined)
    if (place === undefined || this.asking !== undefined) return
    this.asking = { place, fiber: this.around.fork(this.ask(place, 0, this.around.now())) }
  }

  /** `misses`: how often in a row nobody won. `since`: since when too few nodes have answered. */
  private ask(place: Place, misses: number, since: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.changed.closeUnsafe()
      return Effect.flatMap(this.around.attempt(place.claim), (attempt) => {
        if (attempt._tag === "Granted") return this.settle(place, Effect.succeed(attempt))
        const { now, timeout, unreachable } = this.around
        if (attempt._tag === "Unreachable" && now() - since > timeout) {
          return this.settle(place, unreachable)
        }
        const last = attempt._tag === "Unreachable" ? since : now()
        const split = attempt._tag === "Busy" && attempt.next === Infinity
        const again = Effect.suspend(() => this.ask(place, split ? misses + 1 : 0, last))
        return Effect.andThen(this.pause(attempt, misses), again)
      })
    })
  }

  /** Votes that were split are tried for again after a time that grows and that others do not share. */
  private pause(attempt: Attempt, misses: number): Effect.Effect<unknown> {
    return Effect.flatMap(Random.next, (random) => {
      if (attempt._tag === "Unreachable") return Effect.sleep(20 + 80 * random)
      const next = attempt._tag === "Busy" ? attempt.next : 0
      if (next === Infinity) return Effect.sleep(1 + random * Math.min(100, 2 ** misses))
      return Effect.raceFirst(this.changed.await, Effect.sleep(Math.min(next + 1, this.around.heartbeat) + 3 * random))
    })
  }

  private settle(
    place: Place,
    outcome: Effect.Effect<LeaseBackend.Granted, Lease.StoreUnavailable>
  ): Effect.Effect<void> {
    return Effect.sync(() => {
      this.places.splice(this.places.indexOf(place), 1)
      this.asking = undefined
      Deferred.doneUnsafe(place.turn, outcome)
      this.serve()
    })
  }
}
