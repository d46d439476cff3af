import * as Tally from "../01-one-at-a-time/tally.ts"
import * as Screen from "./screen.ts"
import type { Report } from "./together.ts"

/** The most used names, who did what, and what it took. */
export const render = ({ board, entry, files, isClean, millis, struck }: Report, exact: boolean): string => {
  const row = ([name, count]: readonly [string, number]) => `  ${name.padEnd(16)}${String(count).padStart(8)}`
  const facts: ReadonlyArray<readonly [string, string]> = [
    ["files", String(files.length)],
    ["names", String(entry.names.size)],
    ["workers", String(board.rows.length)],
    ["killed", struck.killed === undefined ? "nobody" : `worker ${struck.killed}`],
    ["leaders", `${board.terms}${struck.stopped === undefined ? "" : `, worker ${struck.stopped} was stopped`}`],
    ["left undone at the end", isClean ? "nothing" : "something"],
    ["wall time", `${(millis / 1000).toFixed(2)} s`],
    ["equals the sequential tally", exact ? "yes" : "NO"]
  ]
  return [
    "",
    ...Screen.table(board),
    "",
    "The most used names in the sources of effect:",
    "",
    ...Tally.top(entry.names, 15).map(row),
    "",
    "What it exports:",
    "",
    ...Tally.top(entry.kinds, 5).map(row),
    "",
    ...facts.map(([name, value]) => `  ${name}: ${value}`)
  ].join("\n")
}
