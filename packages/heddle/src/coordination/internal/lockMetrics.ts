import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import { Buckets } from "../../internal/Buckets.ts"
import { CurrentObserver, type Observer } from "../../internal/Contended.ts"
import { monotonic } from "../../internal/monotonic.ts"
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

/** What an attempt takes from its context. */
export interface Around {
  readonly context: Context.Context<never>
  readonly backend: string
  readonly label: string | undefined
  /** Milliseconds. */
  readonly now: () => number
  readonly observer: Observer | undefined
  readonly metrics: LockMetrics
}

/** The metrics of one pattern: how often, how long waited for, how long held. */
export interface Family {
  /** As its metrics and the attributes of its spans name it. */
  readonly noun: string
  /** The series of a backend and a label, and what else is the same while the context is. */
  readonly around: (context: Context.Context<never>, backend: string, label: string | undefined) => Around
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
  const find: Family["around"] = (context, backend, label) => {
    let series = all.get(backend)
    if (series === undefined) all.set(backend, series = seriesOf())
    const metrics = series(context, label, () => make(context, backend, label))
    const now = monotonic(Context.get(context, Clock.Clock))
    return { context, backend, label, now, observer: Context.get(context, CurrentObserver), metrics }
  }
  // Most attempts are in the context of the one before: to look up there what all of them need takes longer than to use it.
  let last: Around | undefined
  const around: Family["around"] = (context, backend, label) =>
    last?.context === context && last.backend === backend && last.label === label
      ? last
      : last = find(context, backend, label)
  return { noun, around }
}
