import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Lease, LeaseBackend } from "heddle/coordination"
import type { Place } from "./AdvisoryPlace.ts"
import type { AdvisoryPool } from "./AdvisoryPool.ts"
import type { AdvisorySession, Taken } from "./AdvisorySession.ts"
import * as Sql from "./advisorySql.ts"
import { proved } from "./LeaseWaiters.ts"
import type { Rows } from "./Link.ts"

/** What the line needs of its surroundings. Times are milliseconds. */
export interface Surroundings {
  readonly pool: AdvisoryPool
  /** Runs a statement on the session that all share. */
  readonly run: (sql: string, params: ReadonlyArray<unknown>, done: (rows: Rows) => void, failed: () => void) => void
  readonly now: () => number
  readonly ring: (instant: number) => void
  readonly timeout: number
  readonly heartbeat: number
  /** Tries for the lock without waiting. */
  readonly attempt: (place: Place, done: (taken: Taken | undefined, session: AdvisorySession) => void) => void
  /** Told when a place is granted, or is over. */
  readonly onChange: (place: Place) => void
  readonly failure: (error: SqlError) => Lease.StoreUnavailable
}

const pause = 50

/** How many locks are remembered as contended for; all are forgotten when there are more. */
const most = 10_000

/**
 * The claims of one store that wait. Each stands in the server's line with a session of its own; where there are no more
 * sessions they stand in line here, and are tried for once a heartbeat, so that none waits for ever for a session that waits
 * for it.
 */
export class AdvisoryLine {
  private readonly around: Surroundings
  private readonly line: Array<Place> = []
  private readonly waiting = new Map<AdvisorySession, Place>()
  /** Sessions whose place was given up, and when they are to be told again. */
  private readonly cancelling = new Map<AdvisorySession, { at: number; readonly until: number; sent: number }>()
  /** The place that is on its way into the server's line, by lock. */
  private readonly entering = new Map<bigint, Place>()
  /** When each lock was last refused. */
  private readonly refusals = new Map<bigint, number>()
  private beatAt = Infinity
  constructor(around: Surroundings) {
    this.around = around
  }

  enter(place: Place): void {
    place.state = "lined"
    this.line.push(place)
    this.schedule()
    this.serve()
  }

  /** The lock was asked for without waiting, and refused. */
  refuse(number: bigint): void {
    if (this.refusals.size >= most) this.refusals.clear()
    this.refusals.set(number, this.around.now())
  }

  /** Whether a lock that was refused a moment ago can be waited for at once: asking without waiting would be a message for nothing. */
  isNear(number: bigint): boolean {
    const at = this.refusals.get(number)
    if (at === undefined) return false
    if (this.around.now() - at < this.around.heartbeat) return this.around.pool.hasFree
    this.refusals.delete(number)
    return false
  }

  /** Gives sessions to those who wait for one: for each lock one at a time, so that they come into its line in order. */
  readonly serve = (): void => {
    for (const place of this.line.slice()) {
      const ahead = this.entering.get(place.number)
      if (ahead !== undefined) {
        this.seek(ahead)
        continue
      }
      const session = this.around.pool.waiter()
      if (session === undefined) break
      this.leaveLine(place)
      this.stand(place, session)
    }
    if (!this.around.pool.isFull) return
    for (const place of this.line) {
      const ahead = this.entering.get(place.number)
      if (ahead === undefined) this.standing(place)
      else this.seek(ahead)
    }
  }

  /** No session could be had: those who have tried for too long are told. */
  readonly unavailable = (error: Lease.StoreUnavailable): void => {
    const now = this.around.now()
    for (const place of this.line.slice()) {
      place.failing = Math.min(place.failing, now)
      if (now - place.failing < this.around.timeout) continue
      this.leaveLine(place)
      this.fail(place, error)
    }
    this.around.ring(now + pause)
  }

  /** Takes a place out of the line, wherever it stands. */
  leave(place: Place): void {
    const { session, state } = place
    place.state = "over"
    if (state === "lined") this.leaveLine(place)
    if (state !== "waiting" || session === undefined) return
    const now = this.around.now()
    this.cancelling.set(session, { at: now, until: now + this.around.timeout / 2, sent: 0 })
    this.cancel(session)
  }

  /** A session has ended: who waited on it stands in line anew, in front. */
  lost(session: AdvisorySession): void {
    this.cancelling.delete(session)
    const place = this.waiting.get(session)
    this.waiting.delete(session)
    if (place === undefined) return
    if (place.state === "waiting") {
      place.state = "lined"
      place.session = undefined
      this.line.unshift(place)
    }
    if (this.entering.get(place.number) === place) this.entering.delete(place.number)
    this.serve()
  }

  /** Does what is due, and answers when to look next. */
  look(): number {
    const now = this.around.now()
    let next = Infinity
    for (const [session, { at, until }] of this.cancelling) {
      if (until <= now) session.end()
      else if (at <= now && this.waiting.has(session)) this.cancel(session)
      next = Math.min(next, at <= now ? now + pause : at)
    }
    this.serve()
    if (this.beatAt <= now) this.beat(now)
    if (this.line.some(({ failing }) => failing < Infinity)) next = Math.min(next, now + pause)
    return Math.min(next, this.beatAt)
  }

  private schedule(): void {
    if (this.beatAt < Infinity) return
    this.beatAt = this.around.now() + this.around.heartbeat
    this.around.ring(this.beatAt)
  }

  /** Learns who still waits, and tries for those that have no session. */
  private beat(now: number): void {
    const standing = [...this.waiting].filter(([, { state }]) => state === "waiting")
    this.beatAt = standing.length + this.line.length === 0 ? Infinity : now + this.around.heartbeat
    if (standing.length > 0) {
      this.around.run(Sql.stillWaiting, [standing.map(([session]) => session.pid)], (rows) => {
        const pids = new Set(rows.map(([pid]) => pid))
        for (const [session, place] of standing) if (pids.has(session.pid)) place.asked = Math.max(place.asked, now)
      }, () => {})
    }
    const tried = new Set<bigint>()
    for (const place of this.line) {
      if (tried.has(place.number)) continue
      tried.add(place.number)
      this.around.attempt(place, (taken, session) => {
        if (taken === undefined) return
        if (place.state !== "lined") return session.giveBack(place.number, () => {}, () => {})
        this.leaveLine(place)
        this.grant(place, session, taken.token, proved(taken.sentAt, place.claim.ttl))
      })
    }
  }

  private stand(place: Place, session: AdvisorySession): void {
    place.state = "waiting"
    place.session = session
    place.sought = false
    place.failing = Infinity
    place.asked = this.around.now()
    this.waiting.set(session, place)
    this.entering.set(place.number, place)
    session.wait(
      place.number,
      place.mode,
      place.silence,
      (taken) => {
        if (place.state !== "waiting" || taken === undefined) this.settled(session)
        else this.confirm(place, session, taken.token)
        this.entered(place)
      },
      (error) => this.failed(place, session, error)
    )
  }

  /** Somebody has to know that the place stands in the server's line: it is asked until it does, or no longer waits. */
  seek(place: Place): void {
    const { session, sought, standing, state } = place
    if (sought || standing || session === undefined || state !== "waiting") return
    place.sought = true
    this.see(place, session)
  }

  private see(place: Place, session: AdvisorySession): void {
    this.around.run(Sql.stillWaiting, [[session.pid]], (rows) => {
      if (place.state !== "waiting" || place.session !== session) return
      if (rows.length === 0) return this.see(place, session)
      this.standing(place)
      this.entered(place)
    }, () => {
      place.sought = false
      this.entered(place)
    })
  }

  private entered(place: Place): void {
    if (this.entering.get(place.number) !== place) return
    this.entering.delete(place.number)
    this.serve()
  }

  private standing(place: Place): void {
    if (place.standing) return
    place.standing = true
    this.around.onChange(place)
  }

  /** The lease counts from when it was surely not granted yet; if that was long ago, from a word to the server. */
  private confirm(place: Place, session: AdvisorySession, token: bigint): void {
    const until = proved(place.asked, place.claim.ttl)
    if (until - this.around.now() >= place.claim.ttl / 2) return this.grant(place, session, token, until)
    session.beat((sentAt) => {
      if (place.state !== "waiting") return this.settled(session)
      this.grant(place, session, token, proved(sentAt, place.claim.ttl))
    }, () => {})
  }

  private grant(place: Place, session: AdvisorySession, token: bigint, until: number): void {
    this.waiting.delete(session)
    place.state = "held"
    place.session = session
    place.token = token
    place.since = this.around.now()
    const granted: LeaseBackend.Granted = { _tag: "Granted", token, until }
    this.around.onChange(place)
    Deferred.doneUnsafe(place.granted, Effect.succeed(granted))
  }

  private failed(place: Place, session: AdvisorySession, error: SqlError): void {
    if (error.reason._tag === "ConnectionError") return
    if (place.state === "waiting") this.fail(place, this.around.failure(error))
    this.settled(session)
    this.entered(place)
  }

  private fail(place: Place, error: Lease.StoreUnavailable): void {
    place.state = "over"
    this.around.onChange(place)
    Deferred.doneUnsafe(place.granted, Effect.fail(error))
  }

  /** Nobody waits on the session any more. Its statement may have been granted, also if it was cancelled. */
  private settled(session: AdvisorySession): void {
    this.waiting.delete(session)
    this.clear(session)
  }

  private cancel(session: AdvisorySession): void {
    const state = this.cancelling.get(session)
    if (state === undefined) return
    state.at = this.around.now() + pause
    state.sent++
    this.around.ring(state.at)
    const answered = () => {
      state.sent--
      if (!this.waiting.has(session)) this.clear(session)
    }
    this.around.run("select pg_cancel_backend($1)", [session.pid], answered, answered)
  }

  /** Once no cancellation is on its way any more, the session is emptied and free for the next. */
  private clear(session: AdvisorySession): void {
    const state = this.cancelling.get(session)
    if (state !== undefined && state.sent > 0) return
    this.cancelling.delete(session)
    session.giveAllBack(() => this.around.pool.release(session), () => session.end())
  }

  private leaveLine(place: Place): void {
    const at = this.line.indexOf(place)
    if (at >= 0) this.line.splice(at, 1)
  }
}
