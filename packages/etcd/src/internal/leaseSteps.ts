import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import type * as Stream from "effect/Stream"
import { Alarm, Lease, type LeaseBackend } from "heddle/coordination"
import type { Etcd } from "../Etcd.ts"
import type { EtcdError } from "../EtcdError.ts"
import * as EtcdOp from "../EtcdOp.ts"
import { Inspector } from "./leaseInspect.ts"
import * as Keys from "./leaseKeys.ts"
import { Place, type Turn } from "./leasePlace.ts"
import { Removals } from "./leaseRemovals.ts"
import { type Session, Sessions } from "./leaseSessions.ts"
import * as Txn from "./leaseTxn.ts"
import { displaced, unavailable } from "./leaseUnavailable.ts"
import { Waits } from "./leaseWaits.ts"

/** Where fibers of the store run: an errand ends by itself and is waited for on close, a line runs until interrupted. */
export interface Forks {
  readonly errand: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  readonly line: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
}

/** How much of a line is read with the request to come in, and how much where its sum may grant. */
const some = 3
const many = 256

/** How many requests to come in are under way at once: in a burst they wait here, and not at the server past their deadline. */
const width = 64

/** The steps of one store. */
export class EtcdSteps implements LeaseBackend.Steps {
  readonly alarm: Alarm.Alarm<never>
  readonly sessions: Sessions
  private readonly etcd: Etcd["Service"]
  private readonly prefix: string
  private readonly forks: Forks
  private readonly revoked: (id: string) => void
  private readonly places = new Map<string, Place>()
  private readonly waits: Waits
  private readonly removals: Removals
  private readonly inspector: Inspector
  private readonly leaving = new Keys.Leaving()
  private readonly gate = Semaphore.makeUnsafe(width)
  constructor(
    etcd: Etcd["Service"],
    prefix: string,
    clock: Clock.Clock,
    forks: Forks,
    revoked: (id: string) => void
  ) {
    this.etcd = etcd
    this.prefix = prefix
    this.forks = forks
    this.revoked = revoked
    this.waits = new Waits(etcd, forks.line, this.leaving)
    this.inspector = new Inspector(etcd, prefix, clock, this.leaving)
    this.removals = new Removals(etcd, forks.errand, this.leaving, (room) => this.waits.nudge(room))
    this.alarm = new Alarm.Alarm(clock, Effect.sync(() => this.look()))
    this.sessions = new Sessions(etcd, forks.errand, this.alarm, (session) => this.bury(session))
  }

  readonly ask = (claim: LeaseBackend.Claim): Effect.Effect<LeaseBackend.Answer, Lease.StoreUnavailable> =>
    Effect.suspend(() => {
      const place = new Place(claim, this.prefix, this.alarm.clock.currentTimeMillisUnsafe())
      this.places.set(claim.id, place)
      return this.enter(place)
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
      const renewed = Effect.zipWith(proved, Txn.present(this.etcd, known), (_, present) =>
        held.map((place) => {
          if (place?.state !== "held" || place.session === undefined) return undefined
          if (!present.has(place)) {
            this.forget(place)
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
      const place = this.leave(claim)
      if (place === undefined) return Effect.void
      return Effect.mapError(Fiber.join(this.forks.errand(this.removals.now(place))), unavailable)
    })

  readonly releaseUnsafe = (claim: LeaseBackend.Claim): void => {
    const place = this.leave(claim)
    if (place !== undefined) this.removals.later(place)
  }

  readonly abandonUnsafe = this.releaseUnsafe

  readonly resize = (): Effect.Effect<void, Lease.StoreUnavailable> =>
    Effect.fail(new Lease.StoreUnavailable({ backend: "etcd", message: "resizing is not there yet" }))

  readonly update = (
    claim: LeaseBackend.Claim,
    { value = claim.value }: LeaseBackend.Change
  ): Effect.Effect<boolean, Lease.StoreUnavailable> =>
    Effect.suspend(() => {
      const place = this.places.get(claim.id)
      if (place === undefined) return Effect.succeed(false)
      const { key, revision } = place
      const updated = this.etcd.txn({
        compare: [EtcdOp.compare(key, "createRevision", "=", revision)],
        success: [EtcdOp.put({ key, value: place.note(value), ignoreLease: true })]
      })
      return Effect.mapError(Effect.map(updated, ({ succeeded }) => succeeded), unavailable)
    })

  readonly inspect = (resource: string): Effect.Effect<Lease.Inspection, Lease.StoreUnavailable> =>
    this.inspector.inspect(resource)

  readonly changes = (resource: string): Stream.Stream<Lease.Inspection, Lease.StoreUnavailable> =>
    this.inspector.changes(resource)

  /**
   * The request goes its way whether or not the caller is interrupted: its answer tells whether there is a key to take
   * back. A deletion that is sent at once might overtake it.
   */
  private enter(place: Place): Effect.Effect<LeaseBackend.Answer, Lease.StoreUnavailable> {
    place.state = "asking"
    place.turn = Deferred.makeUnsafe()
    const answered = Effect.onExit(
      this.gate.withPermit(Effect.suspend(() => this.stand(place))),
      (exit) => Effect.sync(() => this.entered(place, exit))
    )
    return Effect.mapError(Fiber.join(this.forks.errand(answered)), unavailable)
  }

  private stand(place: Place): Effect.Effect<LeaseBackend.Answer, EtcdError> {
    const { claim } = place
    if (place.state === "left") return Effect.succeed({ _tag: "Busy" })
    return Effect.flatMap(this.sessions.get(claim.ttl), (session) => {
      place.sit(session)
      const read = this.waits.knows(place.room) ? 1 : claim.limit === 1 ? some : many
      const request = claim.wait
        ? Txn.standInLine(this.etcd, place, session, read)
        : Txn.takeIfFree(this.etcd, place, session, this.leaving)
      return Effect.catchIf(
        Effect.flatMap(request, (entered) => this.answer(place, entered)),
        (error: EtcdError) => error.reason === "NotFound" && place.state !== "left",
        () => {
          this.sessions.end(session)
          return this.stand(place)
        }
      )
    })
  }

  private answer(place: Place, entered: Txn.Entered): Effect.Effect<LeaseBackend.Answer, EtcdError> {
    if (entered._tag !== "In") return Effect.succeed(entered)
    place.revision = entered.revision
    if (!place.claim.wait) return this.grantOr(place, undefined)
    const { line } = entered
    if (line !== undefined && line.count === BigInt(line.kvs.length)) return this.grantOr(place, line)
    if (place.claim.limit === 1 || this.waits.knows(place.room)) {
      return Effect.succeed(this.queued(place, undefined))
    }
    return Effect.flatMap(Txn.readAhead(this.etcd, place), (ahead) => this.grantOr(place, ahead))
  }

  /** Grants what the line says that the place holds. */
  private grantOr(
    place: Place,
    line: EtcdOp.RangeResult | undefined
  ): Effect.Effect<LeaseBackend.Answer, EtcdError> {
    const entries = line === undefined ? [] : Keys.entriesOf(place.room, line.kvs)
    const ahead = entries.filter((entry) => entry.revision < place.revision && !this.leaving.has(entry.key))
    const used = ahead.reduce((sum, entry) => sum + entry.permits, 0)
    if (used + place.claim.permits > place.claim.limit) return Effect.succeed(this.queued(place, line))
    return Effect.map(this.grant(place), (granted) => granted ?? this.queued(place, undefined))
  }

  private queued(place: Place, line: EtcdOp.RangeResult | undefined): LeaseBackend.Answer {
    return { _tag: "Queued", granted: this.granted(place, this.waits.turn(place, line)) }
  }

  /** When its turn comes, the place is held; when its key is gone, it asks again. */
  private granted(
    place: Place,
    turn: Effect.Effect<Turn, EtcdError>
  ): Effect.Effect<LeaseBackend.Granted, Lease.StoreUnavailable> {
    const held = Effect.flatMap(
      turn,
      (turn): Effect.Effect<LeaseBackend.Granted | undefined, EtcdError> =>
        turn === "first" ? this.grant(place) : Effect.succeed(undefined)
    )
    return Effect.flatMap(Effect.mapError(held, unavailable), (granted) => {
      if (granted !== undefined) return Effect.succeed(granted)
      return Effect.flatMap(this.enter(place), (answer) => {
        if (answer._tag === "Granted") return Effect.succeed(answer)
        if (answer._tag === "Queued") return answer.granted
        return Effect.fail(displaced(answer))
      })
    })
  }

  /** Holds the place for as long as its session is proved alive; undefined if the session has ended. */
  private grant(place: Place): Effect.Effect<LeaseBackend.Granted | undefined, EtcdError> {
    const { claim, session } = place
    if (session === undefined) return Effect.succeed(undefined)
    if (session.until - this.alarm.now() > Math.min(claim.ttl / 2, session.ttl / 3)) {
      return Effect.succeed(this.hold(place, session))
    }
    return Effect.map(this.sessions.prove(session), () => session.over ? undefined : this.hold(place, session))
  }

  private hold(place: Place, session: Session): LeaseBackend.Granted {
    place.until = Math.min(session.until, this.alarm.now() + place.claim.ttl)
    if (place.state !== "left") place.state = "held"
    this.alarm.ring(place.until)
    return { _tag: "Granted", token: Keys.tokenOf(place.revision), until: place.until }
  }

  private entered(place: Place, exit: Exit.Exit<LeaseBackend.Answer, EtcdError>): void {
    const left = place.state === "left"
    if (Exit.isFailure(exit)) {
      // The request may still be under way. What it makes ends with the session at the latest, so that must end.
      place.unanswered = true
      if (place.session !== undefined) this.sessions.retire(place.session)
      if (left) this.removals.later(place)
      else place.state = "waiting"
    } else if (exit.value._tag === "Busy" || exit.value._tag === "Mismatch") this.forget(place)
    else if (left) this.removals.later(place)
    else if (exit.value._tag === "Queued") place.state = "waiting"
  }

  /** Takes the claim out; gives its place if there is a key to delete now. */
  private leave(claim: LeaseBackend.Claim): Place | undefined {
    const place = this.places.get(claim.id)
    if (place === undefined) return undefined
    const asking = place.state === "asking"
    this.forget(place)
    return asking ? undefined : place
  }

  private forget(place: Place): void {
    const { session } = place
    place.state = "left"
    this.places.delete(place.claim.id)
    place.sit(undefined)
    if (session?.retired === true && session.places.size === 0) this.alarm.ring(this.alarm.now())
  }

  /** The session has ended, and with it the keys of all its claims. */
  private bury(session: Session): void {
    for (const place of session.places) {
      place.sit(undefined)
      if (place.state === "waiting") Deferred.doneUnsafe(place.turn, Effect.succeed("gone"))
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
