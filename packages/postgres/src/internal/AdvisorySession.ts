import type * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Mode } from "./advisoryKeys.ts"
import { halvesOf } from "./advisoryKeys.ts"
import type { Statements } from "./advisorySql.ts"
import type { Session } from "./Session.ts"
import type { Statement } from "./Statement.ts"
import type { Executor } from "./Wire.ts"

/** What a session needs of its surroundings. */
export interface Surroundings {
  readonly statements: Statements
  readonly executor: Executor
  readonly now: () => number
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
    const { statements } = this.around
    this.listenFor(silence)
    this.note(number, mode)
    this.granting(
      again ? statements.takeAgain : statements.take[mode],
      again ? [number, ...halvesOf(number)] : [number],
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
    this.granting(this.around.statements.wait[mode], [number], done, failed)
  }

  giveBack(number: bigint, done: () => void, failed: Done<SqlError>): void {
    const mode = this.held.get(number)?.mode
    if (mode === undefined) return done()
    this.forget(number)
    this.run(this.around.statements.giveBack[mode], [number], done, this.orEnd(failed))
  }

  giveAllBack(done: () => void, failed: Done<SqlError>): void {
    this.held.clear()
    this.emptySince = this.around.now()
    this.run(this.around.statements.giveAllBack, [], done, failed)
  }

  /** Makes an exclusive lock a shared one. */
  downgrade(number: bigint, done: () => void, failed: Done<SqlError>): void {
    this.held.set(number, { mode: "shared", count: 1 })
    this.run(this.around.statements.downgrade, [number], done, this.orEnd(failed))
  }

  /** Tells the server that this end lives; answers when that was sent. */
  beat(done: Done<number>, failed: Done<SqlError>): void {
    const sentAt = this.around.now()
    this.run(this.around.statements.beat, [], () => done(sentAt), failed)
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
    statement: Statement,
    numbers: ReadonlyArray<bigint>,
    done: Done<Taken | undefined>,
    failed: Done<SqlError>
  ): void {
    const sentAt = this.around.now()
    this.run(statement, numbers, (drawn) => {
      done(drawn === undefined ? undefined : { token: this.timeline * timelineSpan + drawn, sentAt })
    }, failed)
  }

  private listenFor(silence: number): void {
    if (this.silence === silence) return
    this.silence = silence
    this.run(this.around.statements.silence, [BigInt(silence)], () => {}, this.orEnd(() => {}))
  }

  /** A session that has more than it is known to have, or may be silent for longer than its leases last, must not live on. */
  private orEnd(failed: Done<SqlError>): Done<SqlError> {
    return (error) => {
      this.end()
      failed(error)
    }
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

  private run(
    statement: Statement,
    numbers: ReadonlyArray<bigint>,
    done: Done<bigint | undefined>,
    failed: Done<SqlError>
  ): void {
    this.around.executor.run(statement, numbers, done, failed)
  }
}
