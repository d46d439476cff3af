import * as Context from "effect/Context"
import * as Metric from "effect/Metric"

/**
 * Numbers that a pattern counts in plain fields and that Effect's metrics read when somebody looks: counting costs an
 * addition, where an update of a metric looks its series up. All who count under one name in one registry share one object.
 */
export type Tally<Series extends string> = { [Key in Series]: number }

export interface Options<Series extends string> {
  readonly description: string
  /** A gauge goes up and down; a counter only up. */
  readonly type: "counter" | "gauge"
  /** The label that tells one user of the pattern from another. */
  readonly label: string
  /** The label that tells the series apart; none where there is but one. */
  readonly by?: string
  /** The series, each 0. */
  readonly zero: Tally<Series>
}

/** The tally of a name, for the registry in a context. */
export type TallyOf<Series extends string> = (context: Context.Context<never>, name: string) => Tally<Series>

export const tally = <const Series extends string>(id: string, options: Options<Series>): TallyOf<Series> => {
  const { by, description, label, type, zero } = options
  const all = new WeakMap<Metric.MetricRegistry, Map<string, Tally<Series>>>()
  const make = (context: Context.Context<never>, name: string): Tally<Series> => {
    const counts = { ...zero }
    const still = { update: () => {}, modify: () => {} }
    for (const one in counts) {
      const attributes = by === undefined ? { [label]: name } : { [label]: name, [by]: one }
      if (type === "gauge") {
        const get = () => ({ value: counts[one] })
        Metric.registerUnsafe(Metric.gauge(id, { description, attributes }), context, { ...still, get })
      } else {
        const get = () => ({ count: counts[one], incremental: true })
        const counter = Metric.counter(id, { description, attributes, incremental: true })
        Metric.registerUnsafe(counter, context, { ...still, get })
      }
    }
    return counts
  }
  return (context, name) => {
    const registry = Context.get(context, Metric.MetricRegistry)
    let names = all.get(registry)
    if (names === undefined) all.set(registry, names = new Map())
    let counts = names.get(name)
    if (counts === undefined) names.set(name, counts = make(context, name))
    return counts
  }
}
