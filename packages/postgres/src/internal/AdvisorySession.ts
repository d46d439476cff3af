import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Mode } from "./advisoryKeys.ts"
import { halvesOf } from "./advisoryKeys.ts"
import * as Sql from "./advisorySql.ts"
import type { Rows } from "./Link.ts"
import type { Session } from "./Session.ts"

/** What a session needs of its surroundings. */
export interface Surroundings {
  readonly names: Sql.Names
  readonly now: () => number
  readonly fork: (effect: Effect.Effect<void>) => void
}

/** A lock that was granted: the statement was sent at `sentAt`, a monotonic instant (ms). */
export interface Taken {
  readonly token: bigint
  readonly sentAt: number
}

export type Done<A> = (result: A) => void

/** A timeline counts for more than all that a sequence can reach. */
const timelineSpan = 2n ** 53n

/**
 * A session that holds advisory locks, and what it holds. The server lets a session take again what it has, so here it is
 * told what has been taken, and asked to take nothing twice.
 *
 * Statements are carried out in the order in which they are sent. When the session ends
 * the server gives its locks to others: `closed` tells at once.
 */
export class AdvisorySession {
  readonly pid: number
  readonly closed: Effect.Effect<void>
  /** Since when it holds nothing; Infinity while it does. */
  emptySince: number
  private readonly session: Session
  private readonly timeline: bigint
  private readonly around: Surroundings
  private readonly held = new Map<bigint, { readonly mode: Mode; count: number }>()
  /** For how long it may be silent, as the server has been told (ms; 0: for ever). */
  silence = 0
  constructor(session: Session, pid: number, timeline: number, around: Surroundings) {
    this.session = session
    this.pid = pid
    this.timeline = BigInt(timeline)
    this.around = around
    this.closed = session.closed
    this.emptySince = around.now()
  }

  /** Whether the server can be asked for the lock here: it would not refuse what the session has. */
  canTake(number: bigint, mode: Mode): boolean {
    const has = this.held.get(number)
    return has === undefined || (mode === "shared" && has.mode === "shared")
  }

  /** Takes the lock if it is free. */
  take(number: bigint, mode: Mode, silence: number, done: Done<Taken | undefined>, failed: Done<SqlError>): void {
    const again = this.held.has(number)
    const { names } = this.around
    this.listenFor(silence)
    this.note(number, mode)
    this.granting(
      again ? Sql.takeAgain(names) : Sql.take(names, mode),
      again ? [number, ...halvesOf(number)] : [number],
      0,
      (taken) => {
        if (taken === undefined) this.forget(number)
        done(taken)
      },
      failed
    )
  }

  /** Waits for the lock in the server's line. It fails when it is cancelled; the lock may be granted all the same. */
  wait(number: bigint, mode: Mode, silence: number, done: Done<Taken | undefined>, failed: Done<SqlError>): void {
    this.listenFor(silence)
    this.note(number, mode)
    this.granting(Sql.wait(this.around.names, mode), [number], 1, done, failed)
  }

  giveBack(number: bigint, done: () => void, failed: Done<SqlError>): void {
    const mode = this.held.get(number)?.mode
    if (mode === undefined) return done()
    this.forget(number)
    this.run(Sql.giveBack(mode), [number], done, failed)
  }

  giveAllBack(done: () => void, failed: Done<SqlError>): void {
    this.held.clear()
    this.emptySince = this.around.now()
    this.run(Sql.giveAllBack, [], done, failed)
  }

  /** Makes an exclusive lock a shared one. */
  downgrade(number: bigint, done: () => void, failed: Done<SqlError>): void {
    this.held.set(number, { mode: "shared", count: 1 })
    this.run(Sql.downgrade, [number], done, failed)
  }

  /** Tells the server that this end lives; answers when that was sent. */
  beat(done: Done<number>, failed: Done<SqlError>): void {
    const sentAt = this.around.now()
    this.run("select 1", [], () => done(sentAt), failed)
  }

  /** Lets an empty session be silent for ever. */
  rest(): void {
    this.listenFor(0)
  }

  /** Ends the session now; the server gives its locks to others. */
  end(): void {
    this.session.socket.destroy()
  }

  private granting(
    sql: string,
    params: ReadonlyArray<unknown>,
    column: number,
    done: Done<Taken | undefined>,
    failed: Done<SqlError>
  ): void {
    const sentAt = this.around.now()
    this.run(sql, params, ([row]) => {
      const drawn = row?.[column]
      done(typeof drawn === "bigint" ? { token: this.timeline * timelineSpan + drawn, sentAt } : undefined)
    }, failed)
  }

  private listenFor(silence: number): void {
    if (this.silence === silence) return
    this.silence = silence
    this.run(Sql.silence, [String(silence)], () => {}, () => {})
  }

  private note(number: bigint, mode: Mode): void {
    const has = this.held.get(number)
    if (has === undefined) this.held.set(number, { mode, count: 1 })
    else has.count++
    this.emptySince = Infinity
  }

  private forget(number: bigint): void {
    const has = this.held.get(number)
    if (has === undefined || --has.count > 0) return
    this.held.delete(number)
    if (this.held.size === 0) this.emptySince = this.around.now()
  }

  private run(sql: string, params: ReadonlyArray<unknown>, done: Done<Rows>, failed: Done<SqlError>): void {
    this.around.fork(
      Effect.match(this.session.connection.queryValues(sql, params), { onSuccess: done, onFailure: failed })
    )
  }
}
