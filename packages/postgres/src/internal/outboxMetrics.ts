import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

const rows = Metric.counter("heddle_outbox_rows_total", {
  description:
    "Rows of an outbox that this process has sent, has set aside, and could not send when it gave up for the moment",
  incremental: true
})

/** Counts what became of a row of the outbox. */
export const outboxCounts = (outbox: string) => {
  const of = (outcome: "sent" | "refused" | "failed") => {
    const series = Metric.withAttributes(rows, { outbox, outcome })
    return Effect.contextWith((context: Context.Context<never>) => Effect.sync(() => series.updateUnsafe(1, context)))
  }
  return { sent: of("sent"), refused: of("refused"), failed: of("failed") }
}
