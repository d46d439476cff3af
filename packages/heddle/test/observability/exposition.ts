/** Reads Prometheus' text format, strictly: what it does not allow is a violation, as are names that `promtool` complains of. */
export interface Exposition {
  readonly families: ReadonlyMap<string, { readonly type: string; readonly help: string; readonly series: number }>
  readonly violations: ReadonlyArray<string>
}

const sample =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"(?:,(?!\})|(?=\})))*)\})? (\S+)$/
const number = /^(?:[+-]?Inf|NaN|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/

export const readExposition = (text: string): Exposition => {
  const violations: Array<string> = []
  const families = new Map<string, { type: string; help: string; series: number }>()
  const seen = new Set<string>()
  const closed = new Set<string>()
  let help: readonly [name: string, text: string] | undefined
  let current = ""
  let bucket: { readonly of: string; readonly le: number; readonly count: number } | undefined
  if (!text.endsWith("\n")) violations.push("the last line does not end")
  for (const line of text.split("\n").slice(0, -1)) {
    const say = (what: string) => violations.push(`${what}: ${line}`)
    const [, kind, name, rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (kind === "HELP" && name !== undefined) {
      help = [name, rest]
      continue
    }
    if (kind === "TYPE" && name !== undefined) {
      if (families.has(name)) say("a second type")
      if (help?.[0] !== name) say("no help")
      if (!/^(counter|gauge|histogram|summary)$/.test(rest)) say("no such type")
      if (rest === "counter" && !name.endsWith("_total")) say("a counter without _total")
      if (rest !== "counter" && name.endsWith("_total")) say("_total on what is no counter")
      if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name)) say("not snake_case")
      if (/_(count|sum|bucket|info)$/.test(name)) say("a suffix with another meaning")
      if (/_(ms|sec|millis|milliseconds|minutes|kb|mb|percent)(_|$)/.test(name)) say("no base unit")
      if (/(^|_)(counter|gauge|histogram|summary)(_|$)/.test(name)) say("the type in the name")
      if (current !== "") closed.add(current)
      families.set(current = name, { type: rest, help: help?.[1] ?? "", series: 0 })
      continue
    }
    const [, id = "", labels = "", value = ""] = sample.exec(line) ?? []
    const family = families.get(current)
    if (id === "" || !number.test(value)) say("neither a sample nor a comment")
    else if (family === undefined || closed.has(current)) say("outside of its family")
    else {
      const suffix = id.slice(current.length)
      const allowed = family.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""]
      if (!id.startsWith(current) || !allowed.includes(suffix)) say("not of its family")
      if (seen.has(`${id}{${labels}}`)) say("a second sample of one series")
      seen.add(`${id}{${labels}}`)
      const names = [...labels.matchAll(/([a-zA-Z_]\w*)="/g)].map(([, label]) => label)
      if (new Set(names).size < names.length) say("a label twice")
      if (suffix === "_bucket") {
        const le = /le="([^"]+)"$/.exec(labels)?.[1]
        const of = labels.replace(/,?le="[^"]+"$/, "")
        const bound = le === "+Inf" ? Infinity : Number(le)
        if (bucket !== undefined && bucket.of === of && (bound <= bucket.le || Number(value) < bucket.count)) {
          say("buckets that do not rise")
        }
        bucket = { of, le: bound, count: Number(value) }
      } else if (suffix === "_count") {
        if (bucket?.of !== labels || bucket.le !== Infinity || bucket.count !== Number(value)) say("no bucket of all")
        bucket = undefined
      }
      if (suffix !== "_bucket" && suffix !== "_sum") family.series++
    }
  }
  return { families, violations }
}
