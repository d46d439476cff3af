import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/** What the attempts at a pattern have counted, in the series that have all these labels. */
export const attempts = (noun: string, labels: Readonly<Record<string, string>>) =>
  Effect.map(Metric.snapshot, (all) => {
    const outcomes: Record<string, number> = {}
    const counted = { outcomes, waits: 0, holds: 0 }
    for (const one of all) {
      const attributes: Readonly<Record<string, unknown>> = one.attributes ?? {}
      if (Object.entries(labels).some(([label, value]) => attributes[label] !== value)) continue
      if (one.type === "Counter" && one.id === `heddle_${noun}_acquisitions_total`) {
        const outcome = String(attributes["outcome"])
        const count = Number(one.state.count)
        if (count > 0) outcomes[outcome] = (outcomes[outcome] ?? 0) + count
      }
      if (one.type === "Histogram" && one.id === `heddle_${noun}_wait_seconds`) counted.waits += one.state.count
      if (one.type === "Histogram" && one.id === `heddle_${noun}_hold_seconds`) counted.holds += one.state.count
    }
    return counted
  })
