import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import { readBy, seriesOf } from "../../internal/seriesOf.ts"

type Labels = Readonly<Record<string, string>>

/** Counts one outcome in the registry of a context, where its series is from the first time on. */
export type Counting<Outcome extends string> = (context: Context.Context<never>, outcome: Outcome) => void

/** Counts how calls ended, in plain numbers that a registry reads. `key` is another one for each `labels`. */
export const outcomes = <Outcome extends string>(
  id: string,
  description: string
): (key: string, labels: () => Labels) => Counting<Outcome> => {
  const all = new Map<string, Counting<Outcome>>()
  return (key, labels) => {
    let counting = all.get(key)
    if (counting === undefined) all.set(key, counting = countingOf(id, description, labels()))
    return counting
  }
}

const countingOf = <Outcome extends string>(id: string, description: string, labels: Labels): Counting<Outcome> => {
  const find = seriesOf<Outcome, { count: number }>()
  return (context, outcome) => {
    const series = find(context, outcome, () => {
      const made = { count: 0 }
      const metric = Metric.counter(id, { description, incremental: true, attributes: { ...labels, outcome } })
      Metric.registerUnsafe(metric, context, readBy(() => ({ count: made.count, incremental: true })))
      return made
    })
    series.count++
  }
}
