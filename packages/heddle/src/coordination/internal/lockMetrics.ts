import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"

/**
 * How an attempt ended, counted once an attempt: a section that failed by itself still had the lock (`success`), and a
 * caller that was interrupted while it waited gave up (`timeout`).
 */
export type Outcome = "success" | "timeout" | "contended" | "error" | "lost"

const boundaries = [0.0001, 0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60]
const acquisitions = Metric.counter("heddle_lock_acquisitions_total", {
  description: "Attempts to take a lock, by how they ended",
  incremental: true
})
const waits = Metric.histogram("heddle_lock_wait_seconds", {
  description: "How long attempts waited for a lock, whatever came of it",
  boundaries
})
const holds = Metric.histogram("heddle_lock_hold_seconds", { description: "How long locks were held", boundaries })

export interface LockMetrics {
  readonly waited: (millis: number, context: Context.Context<never>) => void
  readonly held: (millis: number, context: Context.Context<never>) => void
  readonly ended: (outcome: Outcome, context: Context.Context<never>) => void
}

export const lockMetrics = (backend: string, lock: string | undefined): LockMetrics => {
  const labels = lock === undefined ? { backend } : { backend, lock }
  const count = (outcome: Outcome) => Metric.withAttributes(acquisitions, { ...labels, outcome })
  const outcomes = {
    success: count("success"),
    timeout: count("timeout"),
    contended: count("contended"),
    error: count("error"),
    lost: count("lost")
  }
  const wait = Metric.withAttributes(waits, labels)
  const hold = Metric.withAttributes(holds, labels)
  return {
    waited: (millis, context) => wait.updateUnsafe(millis / 1000, context),
    held: (millis, context) => hold.updateUnsafe(millis / 1000, context),
    ended: (outcome, context) => outcomes[outcome].updateUnsafe(1, context)
  }
}
