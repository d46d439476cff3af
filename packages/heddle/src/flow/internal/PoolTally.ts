import type { Outcomes } from "../WorkerPool.ts"
import type { Outcome } from "./PoolJob.ts"

/** What a pool counts: how its tasks ended, and how busy its workers were since they were last asked about. */
export class PoolTally {
  accepted = 0
  refused = 0
  highWater = 0
  private readonly ends = { completed: 0, failed: 0, interrupted: 0, timedOut: 0, dropped: 0, cut: 0, notRun: 0 }
  /** Worker milliseconds since `since`: of those that ran something, and of all. */
  private busy = 0
  private all = 0
  private since: number
  constructor(now: number) {
    this.since = now
  }

  ended(outcome: Outcome): void {
    this.ends[outcome]++
  }

  get outcomes(): Outcomes {
    return { ...this.ends }
  }

  /** So many of the workers were busy until now. */
  pass(now: number, active: number, size: number): void {
    this.busy += active * (now - this.since)
    this.all += size * (now - this.since)
    this.since = now
  }

  /** Which part of the workers was busy, on average since it was last asked. */
  takeUtilisation(): number {
    const { all, busy } = this
    this.busy = this.all = 0
    return all === 0 ? 0 : Math.min(1, busy / all)
  }
}
