import * as Tally from "./tally.ts"
import type { Report } from "./together.ts"

/** The most used names, and what it took. */
export const render = (report: Report, exact: boolean): string => {
  const names = Tally.top(report.names, 15)
  const facts: ReadonlyArray<readonly [string, string]> = [
    ["files", String(report.files.length)],
    ["names", String(report.names.size)],
    ["workers", String(report.workers)],
    ["chunks", String(report.chunks)],
    ["merges", String(report.merged.length)],
    ["wall time", `${(report.millis / 1000).toFixed(2)} s`],
    ["equals the sequential tally", exact ? "yes" : "NO"]
  ]
  return [
    "",
    "The most used names in the sources of effect:",
    "",
    ...names.map(([name, count]) => `  ${name.padEnd(16)}${String(count).padStart(8)}`),
    "",
    ...facts.map(([name, value]) => `  ${name}: ${value}`)
  ].join("\n")
}
