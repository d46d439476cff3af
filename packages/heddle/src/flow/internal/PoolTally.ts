import type { Outcomes } from "../WorkerPool.ts"
import type { Entry, Outcome } from "./PoolJob.ts"
import { counterOf, type PoolMetrics } from "./poolMetrics.ts"

/** What a pool counts: how its tasks ended, and how busy its workers were since they were last asked about. */
export class PoolTally {
  accepted = 0
  refused = 0
  highWater = 0
  readonly metrics: PoolMetrics
  private readonly ends = { completed: 0, failed: 0, interrupted: 0, timedOut: 0, dropped: 0, cut: 0, notRun: 0 }
  /** Worker milliseconds since `since`: of those that ran something, and of all. */
  private busy = 0
  private all = 0
  private since: number
  constructor(now: number, metrics: PoolMetrics) {
    this.since = now
    this.metrics = metrics
  }

  refuse(): void {
    this.refused++
    this.metrics.counts.refused++
  }

  ended(outcome: Outcome): void {
    this.ends[outcome]++
    this.metrics.counts[counterOf[outcome]]++
  }

  /** A task that ran has ended. */
  ran(job: Entry, now: number): void {
    this.ended(job.outcome)
    this.metrics.counts.active--
    this.metrics.took?.(job.startedAt - job.cameAt, now - job.cameAt)
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
