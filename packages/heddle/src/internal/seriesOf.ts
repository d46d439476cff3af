import * as Context from "effect/Context"
import * as Metric from "effect/Metric"

/** Finds what counts for a key in the registry of a context, beside the attributes that the context adds; makes it where there is none. */
export type SeriesOf<Key, Series> = (context: Context.Context<never>, key: Key, make: () => Series) => Series

export const seriesOf = <Key, Series>(): SeriesOf<Key, Series> => {
  const all = new WeakMap<Metric.MetricRegistry, Registered<Key, Series>>()
  // Most calls are like the one before, many in its very context: to ask that and three maps takes longer than what is counted.
  let last: Found<Key, Series> | undefined
  return (context, key, make) => {
    if (last?.context === context && last.key === key) return last.series
    const registry = Context.get(context, Metric.MetricRegistry)
    const attributes = Context.get(context, Metric.CurrentMetricAttributes)
    if (last?.registry === registry && last.attributes === attributes && last.key === key) {
      last.context = context
      return last.series
    }
    let registered = all.get(registry)
    if (registered === undefined) all.set(registry, registered = { known: new WeakMap(), equal: new Map() })
    let series = registered.known.get(attributes)
    if (series === undefined) registered.known.set(attributes, series = within(registered.equal, attributes))
    let found = series.get(key)
    if (found === undefined) series.set(key, found = make())
    last = { context, registry, attributes, key, series: found }
    return found
  }
}

type Attributes = Context.Service.Shape<typeof Metric.CurrentMetricAttributes>

interface Found<Key, Series> {
  context: Context.Context<never>
  readonly registry: Metric.MetricRegistry
  readonly attributes: Attributes
  readonly key: Key
  readonly series: Series
}

/** Attributes that are equal are one series; the same object is found without looking into it. */
interface Registered<Key, Series> {
  readonly known: WeakMap<Attributes, Map<Key, Series>>
  readonly equal: Map<string, Map<Key, Series>>
}

const within = <Key, Series>(all: Map<string, Map<Key, Series>>, attributes: Attributes): Map<Key, Series> => {
  const text = JSON.stringify(attributes)
  let found = all.get(text)
  if (found === undefined) all.set(text, found = new Map())
  return found
}

/** What a registry reads a metric by. */
export const readBy = <State>(get: () => State) => ({ get, update: () => {}, modify: () => {} })
