import type { Report } from "./together.ts"

/** Which names most files export, and what it took. */
export const render = ({ begun, entries, files, millis, workers }: Report, exact: boolean): string => {
  const names = new Map<string, number>()
  for (const name of entries.flatMap(({ exports }) => exports)) names.set(name, (names.get(name) ?? 0) + 1)
  const top = [...names].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 10)
  const facts: ReadonlyArray<readonly [string, string]> = [
    ["files", String(files.length)],
    ["bytes", String(entries.reduce((sum, { bytes }) => sum + bytes, 0))],
    ["exported names", String(names.size)],
    ["workers", String(workers)],
    ["begun", String(begun)],
    ["wall time", `${(millis / 1000).toFixed(2)} s`],
    ["each file once, and as one alone reads it", exact ? "yes" : "NO"]
  ]
  return [
    "",
    "The names that most sources of effect export:",
    "",
    ...top.map(([name, count]) => `  ${name.padEnd(16)}${String(count).padStart(8)}`),
    "",
    ...facts.map(([name, value]) => `  ${name}: ${value}`)
  ].join("\n")
}
