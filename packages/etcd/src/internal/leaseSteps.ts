import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Stream from "effect/Stream"
import { Alarm, type Lease, type LeaseBackend } from "heddle/coordination"
import type { Etcd } from "../Etcd.ts"
import type { EtcdError } from "../EtcdError.ts"
import { Grants } from "./leaseGrants.ts"
import { Inspector } from "./leaseInspect.ts"
import * as Keys from "./leaseKeys.ts"
import { Leaving } from "./leaseLeaving.ts"
import { Place, Room } from "./leasePlace.ts"
import { Removals } from "./leaseRemovals.ts"
import { type Session, Sessions } from "./leaseSessions.ts"
import { change, resize } from "./leaseSize.ts"
import type { Store } from "./leaseStore.ts"
import { Turns } from "./leaseTurns.ts"
import * as Txn from "./leaseTxn.ts"
import { unavailable } from "./unavailable.ts"

/** Where fibers of the store run: an errand ends by itself and is waited for on close, a line runs until interrupted. */
export interface Forks {
  readonly errand: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  readonly line: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
}

/** The steps of one store. */
export class EtcdSteps implements LeaseBackend.Steps {
  readonly alarm: Alarm.Alarm<never>
  readonly sessions: Sessions
  private readonly store: Store
  private readonly revoked: (id: string) => void
  private readonly places: Map<string, Place>
  private readonly rooms = new Map<string, Room>()
  private readonly removals: Removals
  private readonly grants: Grants
  private readonly inspector: Inspector
  constructor(
    etcd: Etcd["Service"],
    prefix: string,
    clock: Clock.Clock,
    forks: Forks,
    places: Map<string, Place>,
    revoked: (id: string) => void
  ) {
    this.places = places
    this.revoked = revoked
    const store: Store = this.store = {
      etcd,
      prefix,
      places,
      leaving: new Leaving(),
      errand: forks.errand,
      line: (effect) => {
        const fiber = forks.line(effect)
        return () => fiber.interruptUnsafe()
      },
      missing: (session) => this.sessions.missing(session)
    }
    const turns = new Turns(store)
    this.inspector = new Inspector(etcd, prefix, clock, store.leaving)
    this.removals = new Removals(store)
    this.alarm = new Alarm.Alarm(clock, Effect.sync(() => this.look()))
    this.sessions = new Sessions(
      store,
      this.alarm,
      (session) => this.bury(session),
      (session) => forks.errand(turns.look(session))
    )
    this.grants = new Grants(store, this.alarm, this.sessions, turns, this.removals, (place) => this.forget(place))
  }

  readonly ask = (claim: LeaseBackend.Claim): Effect.Effect<LeaseBackend.Answer, Lease.StoreUnavailable> =>
    Effect.suspend(() => {
      const name = Keys.room(this.store.prefix, claim.resource)
      const room = this.rooms.get(name) ?? new Room(name)
      const place = new Place(claim, room, this.alarm.clock.currentTimeMillisUnsafe())
      this.rooms.set(name, room)
      room.places.set(claim.id, place)
      this.places.set(claim.id, place)
      return this.grants.ask(place)
    })

  readonly renew = (
    claims: ReadonlyArray<LeaseBackend.Claim>
  ): Effect.Effect<ReadonlyArray<number | undefined>, Lease.StoreUnavailable> =>
    Effect.suspend(() => {
      const now = this.alarm.now()
      const held = claims.map(({ id }) => this.places.get(id))
      const known = held.filter((place) => place !== undefined)
      const stale = new Set<Session>()
      for (const { claim, session } of known) {
        if (session !== undefined && session.until - now < Math.min(claim.ttl, session.ttl * 0.6)) stale.add(session)
      }
      const proved = Effect.forEach(stale, (session) => this.sessions.prove(session), { concurrency: "unbounded" })
      const renewed = Effect.zipWith(proved, Txn.present(this.store.etcd, known), (_, present) =>
        held.map((place) => {
          if (place?.state !== "held" || place.session === undefined) return undefined
          if (!present.has(place)) {
            this.forget(place)
            // Whoever deleted the key has told nobody.
            this.removals.later(place)
            return undefined
          }
          place.until = Math.min(place.session.until, now + place.claim.ttl)
          this.alarm.ring(place.until)
          return place.until
        }), { concurrent: true })
      return Effect.mapError(renewed, unavailable)
    })

  readonly release = (claim: LeaseBackend.Claim): Effect.Effect<void, Lease.StoreUnavailable> =>
    Effect.suspend(() => {
      const left = this.leave(claim)
      return left === undefined ? Effect.void : Effect.mapError(Fiber.join(this.store.errand(left)), unavailable)
    })

  readonly releaseUnsafe = (claim: LeaseBackend.Claim): void => {
    const left = this.leave(claim)
    if (left !== undefined) this.store.errand(left)
  }

  readonly abandonUnsafe = this.releaseUnsafe

  readonly update = (
    claim: LeaseBackend.Claim,
    asked: LeaseBackend.Change
  ): Effect.Effect<boolean, Lease.StoreUnavailable> =>
    Effect.suspend(() => {
      const place = this.places.get(claim.id)
      if (place === undefined) return Effect.succeed(false)
      return Effect.mapError(change(this.store, this.removals, place, asked), unavailable)
    })

  readonly resize = (resource: string, limit: number): Effect.Effect<void, Lease.StoreUnavailable> =>
    Effect.mapError(resize(this.store, this.removals, Keys.room(this.store.prefix, resource), limit), unavailable)

  readonly inspect = (resource: string): Effect.Effect<Lease.Inspection, Lease.StoreUnavailable> =>
    this.inspector.inspect(resource)

  readonly changes = (resource: string): Stream.Stream<Lease.Inspection, Lease.StoreUnavailable> =>
    this.inspector.changes(resource)

  /** Takes the claim out; gives how to delete its key, if there is one to delete now. */
  private leave(claim: LeaseBackend.Claim): Effect.Effect<void, EtcdError> | undefined {
    const place = this.places.get(claim.id)
    if (place === undefined) return undefined
    const { state } = place
    this.forget(place)
    return state === "asking" ? undefined : this.removals.now(place, state === "held")
  }

  private forget(place: Place): void {
    const { claim: { id }, room, session } = place
    place.state = "left"
    this.places.delete(id)
    room.places.delete(id)
    if (room.places.size === 0) this.rooms.delete(room.name)
    place.sit(undefined)
    if (session?.retired === true && session.places.size === 0) this.alarm.ring(this.alarm.now())
  }

  /** The session has ended, and with it the keys of all its claims. */
  private bury(session: Session): void {
    for (const place of session.places) {
      place.sit(undefined)
      if (place.state === "waiting") place.tell("gone")
      if (place.state === "held") {
        this.forget(place)
        this.revoked(place.claim.id)
      }
    }
  }

  /** Deletes the keys of leases that core has ended by now, renews sessions, and tells when to look again. */
  private look(): number {
    const now = this.alarm.now()
    let next = Infinity
    for (const place of this.places.values()) {
      if (place.state !== "held") continue
      if (place.until <= now) this.releaseUnsafe(place.claim)
      else next = Math.min(next, place.until)
    }
    return Math.min(next, this.sessions.look())
  }
}
