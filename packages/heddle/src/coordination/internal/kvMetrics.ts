import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { type Counting, outcomes } from "./outcomes.ts"

const writes = outcomes<"made" | "conflict" | "error">(
  "heddle_kv_writes_total",
  "Writes of typed values, by what became of them"
)
const undecodable = Metric.counter("heddle_kv_undecodable_total", {
  description: "Values that were read and could not be decoded",
  incremental: true
})
const missed = Metric.counter("heddle_kv_missed_total", {
  description: "Times that changes were lost to who watched, and everything was read again",
  incremental: true
})

/** The series of one namespace on one backend. */
export interface KvMetrics {
  readonly written: Counting<"made" | "conflict" | "error">
  readonly undecodable: Effect.Effect<void>
  readonly missed: Effect.Effect<void>
}

export const kvMetrics = (backend: string, namespace: string): KvMetrics => {
  const labels = { backend, namespace }
  const count = (metric: Metric.Metric<number, unknown>) =>
    Effect.contextWith((context: Context.Context<never>) => Effect.sync(() => metric.updateUnsafe(1, context)))
  return {
    written: writes(`${backend} ${namespace}`, () => labels),
    undecodable: count(Metric.withAttributes(undecodable, labels)),
    missed: count(Metric.withAttributes(missed, labels))
  }
}
