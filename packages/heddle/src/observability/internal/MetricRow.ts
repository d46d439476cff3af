/** What values a label has: the names that an app gives, of which there are as many as it makes, or one of a list. */
export type LabelValues = "named" | ReadonlyArray<string>

/** One metric as the catalogue has it. */
export interface MetricRow {
  readonly name: string
  readonly type: "counter" | "gauge" | "histogram"
  /** In UCUM, as OpenTelemetry writes units: `s`, `By`, `1`, or what is counted in braces. */
  readonly unit: string
  /** Each label with its values, of which there are never more than the app has names. */
  readonly labels: Readonly<Record<string, LabelValues>>
  /** Whose it is. */
  readonly of: string
  readonly description: string
}

type Labels = MetricRow["labels"]

const suffixes = [["_seconds", "s"], ["_seconds_total", "s"], ["_bytes", "By"], ["_ratio", "1"]] as const

/** The rows of one pattern: its labels are those of each row, and a row can add some. */
export const rowsOf = (of: string, shared: Labels, counted: string) => {
  const row = (type: MetricRow["type"]) => (name: string, description: string, labels: Labels = {}): MetricRow => ({
    name,
    type,
    unit: suffixes.find(([suffix]) => name.endsWith(suffix))?.[1] ?? `{${counted}}`,
    labels: { ...shared, ...labels },
    of,
    description
  })
  return { counter: row("counter"), gauge: row("gauge"), histogram: row("histogram") }
}
