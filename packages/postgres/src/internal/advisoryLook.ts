import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import type { Lease } from "heddle/coordination"
import { permitsOf } from "./advisoryKeys.ts"
import type { Place } from "./AdvisoryPlace.ts"
import type { Rows } from "./Link.ts"

/** Who holds and who waits: the places of this process, and what the server tells of others. */
export const inspection = (places: ReadonlyArray<Place>, others: Rows, now: number): Lease.Inspection => {
  const own = places.filter(({ state }) => state !== "asking")
  const held = own.filter(({ state }) => state === "held").sort((one, other) => one.token < other.token ? -1 : 1)
  // An exclusive lock does not tell whether it is a writer's: those who are known do.
  const limit = own[0]?.claim.limit ?? (others.some(([, shared]) => shared === true) ? permitsOf("exclusive") : 1)
  const foreign = (granted: boolean) =>
    others.filter((row) => row[2] === granted).map(([pid, shared, , age, owner]) => ({
      id: `pid ${String(pid)}`,
      owner: String(owner),
      permits: shared === true ? permitsOf("shared") : limit,
      age: Number(age)
    }))
  return {
    limit: own.length + others.length === 0 ? undefined : limit,
    holders: [
      ...foreign(true).map((holder) => Object.assign(holder, { value: "", token: 0n })),
      ...held.map((place) => Object.assign(shownOf(place, now), { value: "", token: place.token }))
    ],
    waiters: [
      ...foreign(false),
      ...own.filter(({ standing, state }) => standing && state !== "held").map((place) => shownOf(place, now))
    ].sort((one, other) => other.age - one.age)
  }
}

const shownOf = ({ claim: { id, limit, owner }, mode, since }: Place, now: number) => ({
  id,
  owner,
  permits: mode === "shared" ? 1 : limit,
  age: now - since
})

/** Observes resources: what changes here is seen at once, what changes elsewhere when it is looked at again. */
export class AdvisoryObservers {
  private readonly observers = new Map<string, Set<Latch.Latch>>()

  readonly wake = (resource: string): void => {
    if (this.observers.size > 0) this.observers.get(resource)?.forEach((latch) => latch.openUnsafe())
  }

  changes(
    resource: string,
    look: Effect.Effect<Lease.Inspection, Lease.StoreUnavailable>,
    heartbeat: number
  ): Stream.Stream<Lease.Inspection, Lease.StoreUnavailable> {
    return Stream.unwrap(Effect.gen({ self: this }, function*() {
      const latch = Latch.makeUnsafe(true)
      yield* Effect.acquireRelease(
        Effect.sync(() => this.observers.set(resource, (this.observers.get(resource) ?? new Set()).add(latch))),
        () =>
          Effect.sync(() => {
            const all = this.observers.get(resource)
            all?.delete(latch)
            if (all?.size === 0) this.observers.delete(resource)
          })
      )
      const next = Effect.andThen(
        Effect.raceFirst(latch.await, Effect.sleep(heartbeat)),
        Effect.suspend(() => {
          latch.closeUnsafe()
          return look
        })
      )
      return Stream.fromEffectRepeat(next)
    }))
  }
}
