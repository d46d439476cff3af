import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/** `ran` it itself, was given a result that is `shared`, or what kept it from both. */
export type Outcome = "ran" | "shared" | "failed" | "lost" | "timeout" | "conflict" | "error"

const calls = Metric.counter("heddle_once_calls_total", {
  description: "Calls of Once.run, by how they ended",
  incremental: true
})

const series = new Map<string, Metric.Metric<number, unknown>>()

export const counted = (backend: string, outcome: Outcome): Effect.Effect<void> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.sync(() => {
      const name = `${backend} ${outcome}`
      let found = series.get(name)
      if (found === undefined) series.set(name, found = Metric.withAttributes(calls, { backend, outcome }))
      found.updateUnsafe(1, context)
    })
  )
