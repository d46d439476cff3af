import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/** A counter of calls by how they ended; its series are made once each. */
export const outcomes = <Outcome extends string>(
  id: string,
  description: string
): (backend: string, outcome: Outcome) => Effect.Effect<void> => {
  const metric = Metric.counter(id, { description, incremental: true })
  const series = new Map<string, Metric.Metric<number, unknown>>()
  return (backend, outcome) =>
    Effect.contextWith((context: Context.Context<never>) =>
      Effect.sync(() => {
        const name = `${backend} ${outcome}`
        let found = series.get(name)
        if (found === undefined) series.set(name, found = Metric.withAttributes(metric, { backend, outcome }))
        found.updateUnsafe(1, context)
      })
    )
}
