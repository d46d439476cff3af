import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Lease, LeaseBackend } from "heddle/coordination"
import { AdvisoryCancels } from "./AdvisoryCancels.ts"
import { AdvisoryEntries, type Wait } from "./AdvisoryEntries.ts"
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

/**
 * The claims of one store that wait. Each stands in the server's line with a session of its own; where there are no more
 * sessions they stand in line here, and are tried for once a heartbeat, so that none waits for ever for a session that waits
 * for it.
 */
export class AdvisoryLine {
  private readonly around: Surroundings
  private readonly line: Array<Place> = []
  /** How many of them want each lock. */
  private readonly lined = new Map<bigint, number>()
  private readonly waiting = new Map<AdvisorySession, Wait>()
  private readonly cancels: AdvisoryCancels
  private readonly entries: AdvisoryEntries
  private beatAt = Infinity
  private turns = 0
  constructor(around: Surroundings) {
    this.around = around
    this.cancels = new AdvisoryCancels({
      ...around,
      isWaiting: (session) => this.waiting.has(session),
      onEmpty: (session) => around.pool.release(session)
    })
    this.entries = new AdvisoryEntries({
      run: around.run,
      isWaiting: (wait) => this.waiting.get(wait.session) === wait && wait.place.state === "waiting",
      onStanding: (place) => this.standing(place),
      onEntered: this.serve
    })
  }

  enter(place: Place): void {
    place.state = "lined"
    place.turn = ++this.turns
    this.joinLine(place, this.line.length)
    this.schedule()
    this.serve()
  }

  /**
   * Gives sessions to those who wait for one. For each lock those who are alike enter its line at once, as the first grant
   * goes to the first of them; who is not like those ahead waits until they stand there.
   */
  readonly serve = (): void => {
    const { pool } = this.around
    const behind = new Set<bigint>()
    for (const place of pool.isFull && !pool.hasFree ? [] : this.line.slice()) {
      if (behind.has(place.number)) continue
      if (this.entries.bars(place)) {
        behind.add(place.number)
        this.entries.seekAll(place.number)
        continue
      }
      const session = pool.waiter()
      if (session === undefined) break
      this.leaveLine(place)
      this.stand(place, session)
    }
    if (!pool.isFull) return
    for (const place of this.line) {
      if (place.standing) continue
      if (this.entries.has(place.number)) this.entries.seekAll(place.number)
      else this.standing(place)
    }
  }

  /** Whether somebody of this store is not yet known to stand in the server's line: who comes now comes later. */
  isBefore(number: bigint): boolean {
    return this.entries.has(number) || this.lined.has(number)
  }

  /** Tries for the first of those who have no session to wait on: the lock was given back here. */
  readonly retry = (number: bigint): void => {
    if (!this.lined.has(number) || this.entries.has(number)) return
    const place = this.line.find((place) => place.number === number)
    if (place !== undefined) this.tryFor(place)
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
    if (state === "waiting" && session !== undefined) this.cancels.begin(session)
  }

  /** A session has ended: who waited on it stands in line anew, before those who came later. */
  lost(session: AdvisorySession): void {
    this.cancels.forget(session)
    const wait = this.waiting.get(session)
    if (wait === undefined) return
    this.waiting.delete(session)
    const { place } = wait
    if (place.state === "waiting") {
      place.state = "lined"
      place.session = undefined
      const at = this.line.findIndex(({ turn }) => turn > place.turn)
      this.joinLine(place, at < 0 ? this.line.length : at)
    }
    this.entries.end(wait)
    this.serve()
  }

  /** Does what is due, and answers when to look next. */
  look(): number {
    const now = this.around.now()
    const next = this.cancels.look()
    this.serve()
    if (this.beatAt <= now) this.beat(now)
    const again = this.line.some(({ failing }) => failing < Infinity) ? now + pause : Infinity
    return Math.min(next, again, this.beatAt)
  }

  private schedule(): void {
    if (this.beatAt < Infinity) return
    this.beatAt = this.around.now() + this.around.heartbeat
    this.around.ring(this.beatAt)
  }

  /** Learns who still waits, and tries for those that have no session. */
  private beat(now: number): void {
    const standing = [...this.waiting.values()].filter(({ place }) => place.state === "waiting")
    this.beatAt = standing.length + this.line.length === 0 ? Infinity : now + this.around.heartbeat
    if (standing.length > 0) {
      this.around.run(Sql.stillWaiting, [standing.map(({ session }) => session.pid)], (rows) => {
        const pids = new Set(rows.map(([pid]) => pid))
        for (const wait of standing) if (pids.has(wait.session.pid)) wait.asked = Math.max(wait.asked, now)
      }, () => {})
    }
    const tried = new Set<bigint>()
    for (const place of this.line) {
      if (tried.has(place.number)) continue
      tried.add(place.number)
      this.tryFor(place)
    }
  }

  private tryFor(place: Place): void {
    this.around.attempt(place, (taken, session) => {
      if (taken === undefined) return
      if (place.state !== "lined") return session.giveBack(place.number, () => {}, () => {})
      this.leaveLine(place)
      this.grant({ place, session }, taken.token, proved(taken.sentAt, place.claim.ttl))
    })
  }

  private stand(place: Place, session: AdvisorySession): void {
    place.state = "waiting"
    place.session = session
    place.failing = Infinity
    const { mode, number, silence } = place
    const wait: Wait = { session, place, asked: this.around.now(), sought: false }
    this.waiting.set(session, wait)
    this.entries.begin(wait)
    session.wait(
      number,
      mode,
      silence,
      (taken) => {
        if (wait.place.state !== "waiting" || taken === undefined) this.settled(session)
        else this.confirm(this.inTurn(wait), taken.token)
        this.entries.end(wait)
      },
      (error) => this.failed(wait, error)
    )
  }

  /** What was granted to a session is for the first of those like it, whichever came into the server's line first. */
  private inTurn(wait: Wait): Wait {
    const { place } = wait
    let first = wait
    for (const other of this.waiting.values()) {
      const { state, turn } = other.place
      if (state === "waiting" && turn < first.place.turn && other.place.isLike(place)) first = other
    }
    wait.place = first.place
    wait.place.session = wait.session
    first.place = place
    place.session = first.session
    return wait
  }

  /** Somebody has to know whether the place stands in the server's line. */
  seek({ session }: Place): void {
    const wait = session === undefined ? undefined : this.waiting.get(session)
    if (wait !== undefined) this.entries.seek(wait)
  }

  private standing(place: Place): void {
    if (place.standing) return
    place.standing = true
    this.around.onChange(place)
  }

  /** The lease counts from when it was surely not granted yet; if that was long ago, from a word to the server. */
  private confirm(wait: Wait, token: bigint): void {
    const { place: { claim }, session } = wait
    const until = proved(wait.asked, claim.ttl)
    if (until - this.around.now() >= claim.ttl / 2) return this.grant(wait, token, until)
    session.beat((sentAt) => {
      if (wait.place.state !== "waiting") return this.settled(session)
      this.grant(wait, token, proved(sentAt, wait.place.claim.ttl))
    }, (error) => this.failed(wait, error))
  }

  private grant({ place, session }: Pick<Wait, "place" | "session">, token: bigint, until: number): void {
    this.waiting.delete(session)
    place.state = "held"
    place.session = session
    place.token = token
    place.since = this.around.now()
    const granted: LeaseBackend.Granted = { _tag: "Granted", token, until }
    this.around.onChange(place)
    Deferred.doneUnsafe(place.granted, Effect.succeed(granted))
  }

  private failed(wait: Wait, error: SqlError): void {
    if (error.reason._tag === "ConnectionError") return
    if (wait.place.state === "waiting") this.fail(wait.place, this.around.failure(error))
    this.settled(wait.session)
    this.entries.end(wait)
  }

  private fail(place: Place, error: Lease.StoreUnavailable): void {
    place.state = "over"
    this.around.onChange(place)
    Deferred.doneUnsafe(place.granted, Effect.fail(error))
  }

  private settled(session: AdvisorySession): void {
    this.waiting.delete(session)
    this.cancels.empty(session)
  }

  private joinLine(place: Place, at: number): void {
    this.line.splice(at, 0, place)
    this.lined.set(place.number, (this.lined.get(place.number) ?? 0) + 1)
  }

  private leaveLine(place: Place): void {
    const at = this.line.indexOf(place)
    if (at < 0) return
    this.line.splice(at, 1)
    const left = (this.lined.get(place.number) ?? 0) - 1
    if (left > 0) this.lined.set(place.number, left)
    else this.lined.delete(place.number)
  }
}
