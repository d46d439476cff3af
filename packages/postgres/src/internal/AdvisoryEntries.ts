import type { Place } from "./AdvisoryPlace.ts"
import type { AdvisorySession } from "./AdvisorySession.ts"
import * as Sql from "./advisorySql.ts"
import type { Rows } from "./Link.ts"

/** A statement that waits for a lock on a session, and for whom: what it is granted goes to the first of those like it. */
export interface Wait {
  readonly session: AdvisorySession
  place: Place
  /** An instant at which it was surely not granted yet. */
  asked: number
  /** Whether it is being looked for in the server's line. */
  sought: boolean
}

/** What the entries need of their surroundings. */
export interface Surroundings {
  /** Runs a statement on the session that all share. */
  readonly run: (sql: string, params: ReadonlyArray<unknown>, done: (rows: Rows) => void, failed: () => void) => void
  /** Whether somebody still waits by it. */
  readonly isWaiting: (wait: Wait) => boolean
  /** Told when it is known to stand in the server's line. */
  readonly onStanding: (place: Place) => void
  /** Told when nobody is on the way to a lock any more. */
  readonly onEntered: () => void
}

/** Who is on the way into the server's line, by lock. Those on the way to one lock are alike. */
export class AdvisoryEntries {
  private readonly around: Surroundings
  private readonly all = new Map<bigint, Set<Wait>>()
  constructor(around: Surroundings) {
    this.around = around
  }

  has(number: bigint): boolean {
    return this.all.has(number)
  }

  /** Whether the place must not set out yet: those on the way are not like it, and the order of arrival would be left to chance. */
  bars(place: Place): boolean {
    const [first] = this.all.get(place.number) ?? []
    return first?.place.isLike(place) === false
  }

  begin(wait: Wait): void {
    const { number } = wait.place
    const all = this.all.get(number)
    if (all === undefined) this.all.set(number, new Set([wait]))
    else all.add(wait)
  }

  /** It has come there, or never will. */
  end(wait: Wait): void {
    const { number } = wait.place
    const all = this.all.get(number)
    if (all?.delete(wait) !== true || all.size > 0) return
    this.all.delete(number)
    this.around.onEntered()
  }

  /** Somebody has to know that they stand in the server's line: it is asked until they do, or no longer wait. */
  seekAll(number: bigint): void {
    for (const wait of this.all.get(number) ?? []) this.seek(wait)
  }

  seek(wait: Wait): void {
    if (wait.sought || wait.place.state !== "waiting") return
    wait.sought = true
    this.see(wait)
  }

  private see(wait: Wait): void {
    this.around.run(Sql.stillWaiting, [[wait.session.pid]], (rows) => {
      if (!this.around.isWaiting(wait)) return
      if (rows.length === 0) return this.see(wait)
      this.around.onStanding(wait.place)
      this.end(wait)
    }, () => {
      wait.sought = false
      this.end(wait)
    })
  }
}
