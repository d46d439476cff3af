import type { Place } from "./AdvisoryPlace.ts"
import type { AdvisorySession } from "./AdvisorySession.ts"

interface Trial {
  readonly session: AdvisorySession
  count: number
  readonly after: Array<Place>
}

/** Who is being tried for without waiting, by lock, and who came after them and must not pass. */
export class AdvisoryTrials {
  private readonly trials = new Map<bigint, Trial>()

  has(number: bigint): boolean {
    return this.trials.has(number)
  }

  /** Whether somebody has to wait for the end of a trial. */
  isWaitedFor(number: bigint): boolean {
    return (this.trials.get(number)?.after.length ?? 0) > 0
  }

  /** Keeps a place until those before it have their answer, if it has to wait for that. `can`: the server could be asked now. */
  keeps(place: Place, session: AdvisorySession, can: boolean): boolean {
    const trial = this.trials.get(place.number)
    // A session that does not answer is no longer asked, and nobody waits for it.
    if (trial?.session !== session || !place.claim.wait || (can && trial.after.length === 0)) return false
    trial.after.push(place)
    return true
  }

  /** Begins a trial; the answer is called at its end, and tells those who were kept what to do. */
  begin(number: bigint, session: AdvisorySession): (go: (after: Place) => void) => void {
    const known = this.trials.get(number)
    const trial = known?.session === session ? known : { session, count: 0, after: [] }
    trial.count++
    this.trials.set(number, trial)
    return (go) => {
      if (--trial.count > 0) return
      if (this.trials.get(number) === trial) this.trials.delete(number)
      trial.after.forEach(go)
    }
  }
}
