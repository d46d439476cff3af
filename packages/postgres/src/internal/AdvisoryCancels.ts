import type { AdvisorySession } from "./AdvisorySession.ts"
import type { Rows } from "./Link.ts"

/** What the cancellations need of their surroundings. Times are milliseconds. */
export interface Surroundings {
  /** Runs a statement on the session that all share. */
  readonly run: (sql: string, params: ReadonlyArray<unknown>, done: (rows: Rows) => void, failed: () => void) => void
  readonly now: () => number
  readonly ring: (instant: number) => void
  readonly timeout: number
  /** Whether the statement that waits on the session has not ended yet. */
  readonly isWaiting: (session: AdvisorySession) => boolean
  /** Told when a session holds nothing and waits for nothing. */
  readonly onEmpty: (session: AdvisorySession) => void
}

const pause = 50

/** Sessions whose wait was given up: each is told so until it has heard it, and then emptied. */
export class AdvisoryCancels {
  private readonly around: Surroundings
  /** When they are to be told again, and until when; how many words are on their way. */
  private readonly all = new Map<AdvisorySession, { at: number; readonly until: number; sent: number }>()
  constructor(around: Surroundings) {
    this.around = around
  }

  begin(session: AdvisorySession): void {
    const now = this.around.now()
    this.all.set(session, { at: now, until: now + this.around.timeout / 2, sent: 0 })
    this.tell(session)
  }

  /** The session has ended. */
  forget(session: AdvisorySession): void {
    this.all.delete(session)
  }

  /**
   * Nobody waits on the session any more. Its statement may have been granted, also if it was cancelled: once no cancellation is
   * on its way any more, the session is emptied and free for the next.
   */
  empty(session: AdvisorySession): void {
    const state = this.all.get(session)
    if (state !== undefined && state.sent > 0) return
    this.all.delete(session)
    session.giveAllBack(() => this.around.onEmpty(session), () => session.end())
  }

  /** Does what is due, and answers when to look next. */
  look(): number {
    const now = this.around.now()
    let next = Infinity
    for (const [session, { at, until }] of this.all) {
      if (until <= now) session.end()
      else if (at <= now && this.around.isWaiting(session)) this.tell(session)
      next = Math.min(next, at <= now ? now + pause : at)
    }
    return next
  }

  private tell(session: AdvisorySession): void {
    const state = this.all.get(session)
    if (state === undefined) return
    state.at = this.around.now() + pause
    state.sent++
    this.around.ring(state.at)
    const answered = () => {
      state.sent--
      if (!this.around.isWaiting(session)) this.empty(session)
    }
    this.around.run("select pg_cancel_backend($1)", [session.pid], answered, answered)
  }
}
