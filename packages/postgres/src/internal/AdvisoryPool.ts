import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Lease } from "heddle/coordination"
import type { AdvisorySession } from "./AdvisorySession.ts"

/** What the pool needs of its surroundings. */
export interface Surroundings {
  /** Many statements at once, or one after the other and each without delay. */
  readonly open: (statements: "many" | "one") => Effect.Effect<AdvisorySession, Lease.StoreUnavailable, Scope.Scope>
  readonly scope: Scope.Scope
  readonly fork: (effect: Effect.Effect<void>) => void
  readonly now: () => number
  /** Asks for a `look` at that instant. */
  readonly ring: (instant: number) => void
  /** How many sessions wait for locks, or hold those that they waited for, at most. */
  readonly most: number
  /** Told when a session has ended. */
  readonly onClosed: (session: AdvisorySession) => void
  /** Told when a session is free to wait, or why there is none. */
  readonly onFree: () => void
  readonly onUnavailable: (error: Lease.StoreUnavailable) => void
}

/** After which part of its allowed silence (1 / n) an empty session is told that it may be silent for ever. */
const early = 4
/** After how long (ms) an empty session is closed. */
const spare = 30_000

/**
 * The sessions of one store: for each length of silence one that takes what is free, and a bounded number that wait, one for
 * one lock at a time. Those that hold nothing are closed after a while.
 */
export class AdvisoryPool {
  private readonly around: Surroundings
  private readonly takers = new Map<number, Deferred.Deferred<AdvisorySession, Lease.StoreUnavailable>>()
  private readonly ready = new Map<number, AdvisorySession>()
  private readonly free: Array<AdvisorySession> = []
  private readonly all = new Map<AdvisorySession, Scope.Closeable>()
  private readonly waiters = new Set<AdvisorySession>()
  private opening = 0
  constructor(around: Surroundings) {
    this.around = around
  }

  /** The processes of all sessions. */
  get pids(): ReadonlyArray<number> {
    return [...this.all.keys()].map(({ pid }) => pid)
  }

  /** The session that takes what is free, if it is there already. */
  takerNow(silence: number): AdvisorySession | undefined {
    return this.ready.get(silence)
  }

  taker(silence: number): Effect.Effect<AdvisorySession, Lease.StoreUnavailable> {
    return Effect.suspend(() => {
      const known = this.takers.get(silence)
      if (known !== undefined) return Deferred.await(known)
      const made = Deferred.makeUnsafe<AdvisorySession, Lease.StoreUnavailable>()
      this.takers.set(silence, made)
      this.open(
        "many",
        (session) => {
          this.ready.set(silence, session)
          Deferred.doneUnsafe(made, Effect.succeed(session))
        },
        (error) => {
          this.takers.delete(silence)
          Deferred.doneUnsafe(made, Effect.fail(error))
        }
      )
      return Deferred.await(made)
    })
  }

  /** A session that can wait now. Without one, more are opened as far as they may, and `onFree` tells. */
  waiter(): AdvisorySession | undefined {
    const session = this.free.pop()
    if (session !== undefined || this.opening + this.waiters.size >= this.around.most) return session
    this.opening++
    this.open(
      "one",
      (session) => {
        this.opening--
        this.waiters.add(session)
        this.release(session)
      },
      (error) => {
        this.opening--
        this.around.onUnavailable(error)
      }
    )
    return undefined
  }

  /** Whether there is a session that can wait now. */
  get hasFree(): boolean {
    return this.free.length > 0
  }

  /** Whether there can be no more sessions that wait. */
  get isFull(): boolean {
    return this.waiters.size >= this.around.most
  }

  isWaiter(session: AdvisorySession): boolean {
    return this.waiters.has(session)
  }

  /** A session that waited holds nothing any more. */
  release(session: AdvisorySession): void {
    if (!this.all.has(session)) return
    this.free.push(session)
    this.rested(session)
    this.around.onFree()
  }

  /** Something was given back: an empty session is looked after. */
  rested(session: AdvisorySession): void {
    if (session.emptySince < Infinity) this.around.ring(session.emptySince + session.silence / early)
  }

  /** Takes nothing more on a session that does not answer; it is kept for what it holds. */
  retire(session: AdvisorySession): void {
    for (const [silence, taker] of this.ready) {
      if (taker !== session) continue
      this.ready.delete(silence)
      this.takers.delete(silence)
    }
  }

  /** Looks after empty sessions, and answers when to look next. */
  look(): number {
    const now = this.around.now()
    let next = Infinity
    for (const session of this.all.keys()) {
      const { emptySince, silence } = session
      if (emptySince === Infinity || (this.waiters.has(session) && !this.free.includes(session))) continue
      if (emptySince + spare <= now) {
        this.close(session)
        continue
      }
      if (silence > 0 && emptySince + silence / early <= now) session.rest()
      next = Math.min(next, emptySince + (session.silence > 0 ? session.silence / early : spare))
    }
    return next
  }

  close(session: AdvisorySession): void {
    const scope = this.all.get(session)
    this.drop(session)
    if (scope !== undefined) this.around.fork(Scope.close(scope, Exit.void))
  }

  private drop(session: AdvisorySession): void {
    this.retire(session)
    this.all.delete(session)
    this.waiters.delete(session)
    const at = this.free.indexOf(session)
    if (at >= 0) this.free.splice(at, 1)
  }

  private open(
    statements: "many" | "one",
    opened: (session: AdvisorySession) => void,
    failed: (error: Lease.StoreUnavailable) => void
  ): void {
    const { fork, onClosed, open, scope } = this.around
    fork(
      Effect.gen({ self: this }, function*() {
        const own = yield* Scope.fork(scope)
        const session = yield* Effect.onError(
          Scope.provide(open(statements), own),
          (cause) => Scope.close(own, Exit.failCause(cause))
        )
        this.all.set(session, own)
        // First, as the session may have ended already.
        opened(session)
        fork(Effect.map(session.closed, () => {
          if (!this.all.has(session)) {
            return
          }
          this.close(session)
          onClosed(session)
        }))
      }).pipe(Effect.catch((error) => Effect.sync(() => failed(error))))
    )
  }
}
