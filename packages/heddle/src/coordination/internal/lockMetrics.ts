import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import { Buckets } from "../../internal/Buckets.ts"
import { readBy, type SeriesOf, seriesOf } from "../../internal/seriesOf.ts"

/**
 * How an attempt ended, counted once an attempt: a section that failed by itself still had the lock (`success`), and a
 * caller that was interrupted while it waited gave up (`timeout`).
 */
export type Outcome = "success" | "timeout" | "contended" | "error" | "lost"

/** Counts in plain numbers, which a registry reads when somebody looks: a series is there from its first time on. Seconds. */
export interface LockMetrics {
  readonly waited: (seconds: number) => void
  readonly held: (seconds: number) => void
  readonly ended: (outcome: Outcome) => void
}

/** The metrics of one pattern: how often, how long waited for, how long held. */
export interface Family {
  /** As its metrics and the attributes of its spans name it. */
  readonly noun: string
  /** The series of a backend and a label. */
  readonly of: (context: Context.Context<never>, backend: string, label: string | undefined) => LockMetrics
}

const boundaries = [0.0001, 0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60]

/** `what` is what is taken, as the descriptions name it; `labelled` is the label's name beside the backend. */
export const family = (noun: string, what: string, labelled: string): Family => {
  const make = (context: Context.Context<never>, backend: string, label: string | undefined): LockMetrics => {
    const labels = label === undefined ? { backend } : { backend, [labelled]: label }
    const times = (id: string, description: string) => {
      const buckets = new Buckets(boundaries)
      const metric = Metric.histogram(id, { description, boundaries, attributes: labels })
      let known = false
      return (seconds: number) => {
        buckets.add(seconds)
        if (known) return
        known = true
        Metric.registerUnsafe(metric, context, readBy(() => buckets.state))
      }
    }
    const counts = { success: 0, timeout: 0, contended: 0, error: 0, lost: 0 }
    const known = (outcome: Outcome) => {
      const metric = Metric.counter(`heddle_${noun}_acquisitions_total`, {
        description: `Attempts to take ${what}, by how they ended`,
        incremental: true,
        attributes: { ...labels, outcome }
      })
      Metric.registerUnsafe(metric, context, readBy(() => ({ count: counts[outcome], incremental: true })))
    }
    return {
      waited: times(`heddle_${noun}_wait_seconds`, `How long attempts waited for ${what}, whatever came of it`),
      held: times(`heddle_${noun}_hold_seconds`, `How long holds of ${what} lasted`),
      ended: (outcome) => {
        if (counts[outcome]++ === 0) known(outcome)
      }
    }
  }
  const all = new Map<string, SeriesOf<string | undefined, LockMetrics>>()
  const of: Family["of"] = (context, backend, label) => {
    let find = all.get(backend)
    if (find === undefined) all.set(backend, find = seriesOf())
    return find(context, label, () => make(context, backend, label))
  }
  return { noun, of }
}
