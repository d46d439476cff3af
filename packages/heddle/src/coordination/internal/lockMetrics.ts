import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"

/**
 * How an attempt ended, counted once an attempt: a section that failed by itself still had the lock (`success`), and a
 * caller that was interrupted while it waited gave up (`timeout`).
 */
export type Outcome = "success" | "timeout" | "contended" | "error" | "lost"

export interface LockMetrics {
  readonly waited: (millis: number, context: Context.Context<never>) => void
  readonly held: (millis: number, context: Context.Context<never>) => void
  readonly ended: (outcome: Outcome, context: Context.Context<never>) => void
}

/** The metrics of one pattern: how often, how long waited for, how long held. */
export interface Family {
  readonly prefix: string
  /** One series; its handles are made once, because attributes given per update cost five times as much. */
  readonly series: (labels: Readonly<Record<string, string>>) => LockMetrics
}

const boundaries = [0.0001, 0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60]

/** `what` is what is taken, as the descriptions name it. */
export const family = (prefix: string, what: string): Family => {
  const acquisitions = Metric.counter(`${prefix}_acquisitions_total`, {
    description: `Attempts to take ${what}, by how they ended`,
    incremental: true
  })
  const waits = Metric.histogram(`${prefix}_wait_seconds`, {
    description: `How long attempts waited for ${what}, whatever came of it`,
    boundaries
  })
  const holds = Metric.histogram(`${prefix}_hold_seconds`, { description: `How long ${what} was held`, boundaries })
  const series = (labels: Readonly<Record<string, string>>): LockMetrics => {
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
  return { prefix, series }
}

const locks = family("heddle_lock", "a lock")

export const lockMetrics = (backend: string, lock: string | undefined): LockMetrics =>
  locks.series(lock === undefined ? { backend } : { backend, lock })
