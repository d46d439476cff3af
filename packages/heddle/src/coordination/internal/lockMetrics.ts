import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { LeaseStore } from "../LeaseStore.ts"

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

type Store = LeaseStore["Service"]

/** The metrics of one pattern: how often, how long waited for, how long held. */
export interface Family {
  /** As its metrics and the attributes of its spans name it. */
  readonly noun: string
  /** The series of a store and a label. It is made once: attributes given per update cost five times as much. */
  readonly of: (store: Store, label: string | undefined) => LockMetrics
}

const boundaries = [0.0001, 0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60]

/** `what` is what is taken, as the descriptions name it; `labelled` is the label's name beside the backend. */
export const family = (noun: string, what: string, labelled: string): Family => {
  const acquisitions = Metric.counter(`heddle_${noun}_acquisitions_total`, {
    description: `Attempts to take ${what}, by how they ended`,
    incremental: true
  })
  const waits = Metric.histogram(`heddle_${noun}_wait_seconds`, {
    description: `How long attempts waited for ${what}, whatever came of it`,
    boundaries
  })
  const holds = Metric.histogram(`heddle_${noun}_hold_seconds`, {
    description: `How long holds of ${what} lasted`,
    boundaries
  })
  const make = ({ backend }: Store, label: string | undefined): LockMetrics => {
    const labels = label === undefined ? { backend } : { backend, [labelled]: label }
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
  const all = new WeakMap<Store, Map<string | undefined, LockMetrics>>()
  const of = (store: Store, label: string | undefined): LockMetrics => {
    let series = all.get(store)
    if (series === undefined) all.set(store, series = new Map())
    let found = series.get(label)
    if (found === undefined) series.set(label, found = make(store, label))
    return found
  }
  return { noun, of }
}
