import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type * as Stream from "effect/Stream"
import { Lease, type LeaseBackend } from "heddle/coordination"
import { modeOf } from "./advisoryKeys.ts"
import type { AdvisoryLine } from "./AdvisoryLine.ts"
import type { AdvisoryNames } from "./AdvisoryNames.ts"
import { type Answered, Place } from "./AdvisoryPlace.ts"
import type { AdvisoryPool } from "./AdvisoryPool.ts"
import { AdvisoryRefusals } from "./AdvisoryRefusals.ts"
import type { AdvisorySession, Taken } from "./AdvisorySession.ts"
import { AdvisoryTrials } from "./AdvisoryTrials.ts"
import { proved } from "./LeaseWaiters.ts"
import { isMissing, isPassing } from "./unavailable.ts"

/** What the steps need of their surroundings. Times are milliseconds. */
export interface Surroundings {
  readonly pool: AdvisoryPool
  readonly line: AdvisoryLine
  readonly names: AdvisoryNames
  readonly fork: (effect: Effect.Effect<void>) => void
  readonly now: () => number
  readonly ring: (instant: number) => void
  readonly timeout: number
  readonly heartbeat: number
  readonly revoked: (id: string) => void
  readonly failure: (error: SqlError) => Lease.StoreUnavailable
  readonly late: Lease.StoreUnavailable
  readonly inspect: (resource: string) => Effect.Effect<Lease.Inspection, Lease.StoreUnavailable>
  readonly changes: (resource: string) => Stream.Stream<Lease.Inspection, Lease.StoreUnavailable>
  /** Makes again what is missing in the database. */
  readonly mend: Effect.Effect<void, Lease.StoreUnavailable>
  /** Told when who holds or waits here has changed. */
  readonly onChange: (resource: string) => void
}

const refuse = (field: string, why: string) =>
  Effect.fail(new Lease.InvalidClaim({ field, message: `${field} ${why}; PostgresLeaseStore can` }))

const unweighted = refuse("limit", "must be 1, or that of a read-write lock: an advisory lock has no parts")
const undescribed = refuse("value", "must be empty: an advisory lock keeps none")

const ignore = () => {}
const pause = 20

/** The steps of a lease store on advisory locks. */
export class AdvisorySteps implements LeaseBackend.Steps {
  private readonly around: Surroundings
  private readonly places = new Map<string, Place>()
  private readonly asking = new Set<Place>()
  private readonly trials = new AdvisoryTrials()
  private readonly refusals: AdvisoryRefusals
  constructor(around: Surroundings) {
    this.around = around
    this.refusals = new AdvisoryRefusals(around.now, around.heartbeat)
  }

  readonly ask = (claim: LeaseBackend.Claim): Answered => {
    const mode = modeOf(claim)
    if (mode === undefined) return unweighted
    if (claim.value !== "") return undescribed
    return Effect.callback((resume) => {
      const { now, ring, timeout } = this.around
      const place = new Place(claim, this.around.names.numberOf(claim.resource), mode, now(), timeout, resume)
      this.places.set(claim.id, place)
      this.asking.add(place)
      ring(place.deadline)
      this.around.names.check(
        place.number,
        claim.resource,
        () => this.begin(place),
        (error) => this.fail(place, error)
      )
    })
  }

  readonly renew: LeaseBackend.Steps["renew"] = (claims) => {
    const { late, timeout } = this.around
    return Effect.callback<ReadonlyArray<number | undefined>, Lease.StoreUnavailable>((resume) => {
      const untils: Array<number | undefined> = []
      const sessions = new Map<AdvisorySession, Array<number>>()
      claims.forEach(({ id }, index) => {
        const { session, state } = this.places.get(id) ?? {}
        untils[index] = undefined
        if (session === undefined || state !== "held") return
        sessions.set(session, [...sessions.get(session) ?? [], index])
      })
      let left = sessions.size
      const answered = () => {
        if (--left <= 0) resume(Effect.succeed(untils))
      }
      if (left === 0) return answered()
      for (const [session, indices] of sessions) {
        session.beat((sentAt) => {
          for (const index of indices) untils[index] = proved(sentAt, claims[index]?.ttl ?? 0)
          answered()
        }, answered)
      }
    }).pipe(Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(late) }))
  }

  readonly release = (claim: LeaseBackend.Claim): Effect.Effect<void, Lease.StoreUnavailable> => {
    const { failure, late, timeout } = this.around
    return Effect.callback<void, Lease.StoreUnavailable>((resume) =>
      this.giveBack(claim, () => resume(Effect.void), (error) => resume(Effect.fail(failure(error))))
    ).pipe(Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(late) }))
  }

  readonly releaseUnsafe = (claim: LeaseBackend.Claim): void => this.giveBack(claim, ignore, ignore)

  readonly abandonUnsafe = this.releaseUnsafe

  readonly update = (
    claim: LeaseBackend.Claim,
    { permits, value }: LeaseBackend.Change
  ): Effect.Effect<boolean, Lease.InvalidClaim | Lease.StoreUnavailable> => {
    if (value !== undefined) return undescribed
    const place = this.places.get(claim.id)
    const { session } = place ?? {}
    if (place === undefined || session === undefined) return Effect.succeed(false)
    if (permits === undefined || permits === claim.permits) return Effect.succeed(true)
    if (permits !== 1) return unweighted
    const { failure, late, timeout } = this.around
    return Effect.callback<boolean, Lease.StoreUnavailable>((resume) => {
      place.mode = "shared"
      session.downgrade(
        place.number,
        () => resume(Effect.succeed(true)),
        (error) => resume(Effect.fail(failure(error)))
      )
      this.around.onChange(claim.resource)
    }).pipe(Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(late) }))
  }

  readonly resize = (): Effect.Effect<void, Lease.InvalidClaim> => unweighted

  readonly inspect = (resource: string): Effect.Effect<Lease.Inspection, Lease.StoreUnavailable> =>
    this.around.inspect(resource)

  readonly changes: LeaseBackend.Steps["changes"] = (resource) => this.around.changes(resource)

  /** Tries for the lock on the session that takes what is free. */
  attempt(place: Place, done: (taken: Taken | undefined, session: AdvisorySession) => void): void {
    const session = this.around.pool.takerNow(place.silence)
    if (session === undefined || !session.canTake(place.number, place.mode)) return
    session.take(place.number, place.mode, place.silence, (taken) => done(taken, session), ignore)
  }

  /** A session has ended, and with it all leases on it. */
  lost(session: AdvisorySession): void {
    for (const place of this.places.values()) {
      if (place.session !== session || place.state !== "held") continue
      this.end(place)
      this.around.revoked(place.claim.id)
    }
  }

  /** Fails questions that are overdue, and answers when to look next. */
  look(): number {
    const now = this.around.now()
    let next = Infinity
    for (const place of this.asking) {
      if (place.deadline > now) next = Math.min(next, place.deadline)
      else {
        const session = this.around.pool.takerNow(place.silence)
        if (session !== undefined) this.around.pool.retire(session)
        this.fail(place, this.around.late)
      }
    }
    return next
  }

  private begin(place: Place): void {
    if (place.state === "over") return
    // Asking again without waiting would be a message for nothing.
    const near = this.around.pool.hasFree && this.refusals.isRecent(place.number)
    if (place.claim.wait && near && !this.trials.has(place.number)) return this.lineUp(place)
    const session = this.around.pool.takerNow(place.silence)
    if (session !== undefined) return this.tryOn(place, session)
    this.around.fork(Effect.match(this.around.pool.taker(place.silence), {
      onSuccess: (session) => this.tryOn(place, session),
      onFailure: (error) => this.fail(place, error)
    }))
  }

  private tryOn(place: Place, session: AdvisorySession): void {
    if (place.state === "over") return
    const can = session.canTake(place.number, place.mode) && !this.around.line.isBefore(place.number)
    if (this.trials.keeps(place, session, can)) return
    if (!can || this.trials.isWaitedFor(place.number)) return this.refused(place)
    const tried = this.trials.begin(place.number, session)
    session.take(place.number, place.mode, place.silence, (taken) => {
      this.taken(place, session, taken)
      tried((after) => taken === undefined ? this.refused(after) : this.begin(after))
    }, (error) => {
      // Its session has ended, and with it whatever it was granted: it is tried for on the next.
      if (isPassing(error) && place.deadline > this.around.now()) this.again(place, Effect.sleep(pause))
      else if (isMissing(error)) this.again(place, this.around.mend)
      else this.fail(place, this.around.failure(error))
      tried((after) => this.begin(after))
    })
  }

  private taken(place: Place, session: AdvisorySession, taken: Taken | undefined): void {
    if (taken === undefined) return this.refused(place)
    if (place.state === "over") return this.back(place, session, ignore, ignore)
    place.state = "held"
    place.session = session
    place.token = taken.token
    place.since = this.around.now()
    this.answered(
      place,
      Effect.succeed({ _tag: "Granted", token: taken.token, until: proved(taken.sentAt, place.claim.ttl) })
    )
  }

  private again(place: Place, first: Effect.Effect<unknown, Lease.StoreUnavailable>): void {
    this.around.fork(Effect.match(first, {
      onSuccess: () => place.state === "asking" && this.begin(place),
      onFailure: (error) => this.fail(place, error)
    }))
  }

  private refused(place: Place): void {
    if (place.state === "over") return
    if (!place.claim.wait) {
      this.end(place)
      return this.answered(place, Effect.succeed({ _tag: "Busy" }))
    }
    this.refusals.note(place.number)
    this.lineUp(place)
  }

  private lineUp(place: Place): void {
    this.around.line.enter(place)
    this.answered(place, Effect.succeed({ _tag: "Queued", granted: Deferred.await(place.granted) }))
  }

  private answered(place: Place, answer: Answered): void {
    this.asking.delete(place)
    this.around.onChange(place.claim.resource)
    place.answer?.(answer)
    place.answer = undefined
  }

  private fail(place: Place, error: Lease.InvalidClaim | Lease.StoreUnavailable): void {
    if (place.state !== "asking") return
    this.end(place)
    this.answered(place, Effect.fail(error))
  }

  private giveBack(claim: LeaseBackend.Claim, done: () => void, failed: (error: SqlError) => void): void {
    const place = this.places.get(claim.id)
    if (place === undefined) return done()
    const { session, state } = place
    if (state === "lined" || state === "waiting") this.around.line.leave(place)
    this.end(place)
    this.asking.delete(place)
    if (state !== "held" || session === undefined) return done()
    this.back(place, session, done, failed)
  }

  private back(place: Place, session: AdvisorySession, done: () => void, failed: (error: SqlError) => void): void {
    const { line, pool } = this.around
    session.giveBack(place.number, () => {
      if (pool.isWaiter(session)) pool.release(session)
      line.retry(place.number)
      done()
      // A session that has ended has given back all it had.
    }, (error) => error.reason._tag === "ConnectionError" ? done() : failed(error))
    pool.rested(session)
  }

  /** What is still on its way for the place goes back when it comes. */
  private end(place: Place): void {
    place.state = "over"
    this.places.delete(place.claim.id)
    this.around.onChange(place.claim.resource)
  }

  placesOf(resource: string): ReadonlyArray<Place> {
    return [...this.places.values()].filter((place) => place.claim.resource === resource)
  }
}
