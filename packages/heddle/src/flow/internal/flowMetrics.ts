/**
 * Metrics that cost nothing while nobody reads them: a pattern adds to plain numbers, and the registry reads those numbers
 * when somebody takes a snapshot or scrapes. Latency needs the clock: it is kept of what has a name.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import * as Record from "effect/Record"
import { Buckets } from "../../internal/Buckets.ts"
import { Line, type Place } from "../../internal/Line.ts"
import { monotonic } from "../../internal/monotonic.ts"
import { readBy, seriesOf } from "../../internal/seriesOf.ts"

/** What a pattern of flow can count: the words are the same for all of them. */
const kinds = {
  /** Accepted and not begun. */
  depth: "gauge",
  /** Callers that wait for room. */
  waiting: "gauge",
  /** Running now. */
  active: "gauge",
  /** How many may run at a time. */
  size: "gauge",
  completed: "counter",
  failed: "counter",
  interrupted: "counter",
  /** Ended by a deadline. */
  late: "counter",
  /** Accepted, and then not begun. */
  dropped: "counter",
  /** Not accepted. */
  refused: "counter",
  /** Begun although what was begun before might have done. */
  extra: "counter"
} as const

export type Count = keyof typeof kinds

/** Plain numbers: add to them and subtract from them. */
export type Counts<K extends Count> = { [Name in K]: number }

/** Label and value; an `undefined` value is no label. There must be few values of each. */
export type Labels = Readonly<Record<string, string | undefined>>

/** Seconds, by the clock of whoever made the series. */
export interface Latency {
  readonly now: () => number
  readonly took: (seconds: number) => void
}

/** The numbers of one series; all instances with the same labels share them, so each takes back what it added to a gauge. */
export interface Tally<K extends Count> {
  readonly counts: Counts<K>
  /** `undefined` where the series has no `name`. */
  readonly latency: Latency | undefined
  /** How long it waited, in seconds; where that is told, and the series has a `name`. */
  readonly waited: ((seconds: number) => void) | undefined
}

/** The same, in a registry. */
export interface Registered<K extends Count> extends Tally<K> {
  /** Those who add to the counts only when somebody looks. */
  readonly tellers: Line<Teller>
}

/** Who counts for itself, so that an item costs nothing more, and adds to the counts what is new when it is asked. */
export interface Teller extends Place<Teller> {
  tell(): void
}

/** The metrics of one pattern, `heddle_<noun>_<count>`. */
export interface Family<K extends Count> {
  /** Finds or makes the series in the context's registry: once an instance, not once an item. */
  readonly of: (context: Context.Context<never>, labels: Labels) => Registered<K>
}

const boundaries = [0.0001, 0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60]

/** `counted` names what the pattern counts, with the description of each; `timed` describes its latency, `waits` its waits. */
export const family = <K extends Count>(
  noun: string,
  counted: Readonly<Record<K, string>>,
  timed: string,
  waits?: string
): Family<K> => {
  const names = Object.keys(counted).filter((name): name is K => name in kinds)
  const times = (what: string, description: string, attributes: Attributes, at: Context.Context<never>): Buckets => {
    const buckets = new Buckets(boundaries)
    const metric = Metric.histogram(`heddle_${noun}_${what}_seconds`, { description, boundaries, attributes })
    Metric.registerUnsafe(metric, at, readBy(() => buckets.state))
    return buckets
  }
  const register = (name: K, told: () => Counts<K>, attributes: Attributes, at: Context.Context<never>) => {
    const description = counted[name]
    if (kinds[name] === "gauge") {
      const metric = Metric.gauge(`heddle_${noun}_${name}`, { description, attributes })
      Metric.registerUnsafe(metric, at, readBy(() => ({ value: told()[name] })))
    } else {
      const metric = Metric.counter(`heddle_${noun}_${name}_total`, { description, attributes, incremental: true })
      Metric.registerUnsafe(metric, at, readBy(() => ({ count: told()[name], incremental: true })))
    }
  }
  const make = (context: Context.Context<never>, labels: Labels): Series<K> => {
    const attributes: Attributes = {}
    for (const [label, value] of Object.entries(labels)) if (value !== undefined) attributes[label] = value
    const counts = Record.map(counted, () => 0)
    const tellers = new Line<Teller>()
    const told = () => {
      for (const teller of tellers) teller.tell()
      return counts
    }
    for (const name of names) register(name, told, attributes, context)
    const plain = { counts, tellers, latency: undefined, waited: undefined }
    if (labels["name"] === undefined) return { plain, latency: undefined, wait: undefined }
    return {
      plain,
      latency: times("latency", timed, attributes, context),
      wait: waits === undefined ? undefined : times("wait", waits, attributes, context)
    }
  }
  const find = seriesOf<string, Series<K>>()
  const of = (context: Context.Context<never>, labels: Labels): Registered<K> => {
    const found = find(context, keyOf(labels), () => make(context, labels))
    const { latency, plain, wait } = found
    if (latency === undefined) return plain
    const now = monotonic(Context.get(context, Clock.Clock))
    return {
      counts: plain.counts,
      tellers: plain.tellers,
      latency: { now: () => now() / 1000, took: (seconds) => latency.add(seconds) },
      waited: wait === undefined ? undefined : (seconds) => wait.add(seconds)
    }
  }
  return { of }
}

const keyOf = (labels: Labels): string => {
  let key = ""
  for (const label in labels) {
    const value = labels[label]
    if (value !== undefined) key += `${label} ${value.length} ${value}`
  }
  return key
}

type Attributes = { [label: string]: string }

interface Series<K extends Count> {
  /** For who measures nothing. */
  readonly plain: Registered<K>
  readonly latency: Buckets | undefined
  readonly wait: Buckets | undefined
}
