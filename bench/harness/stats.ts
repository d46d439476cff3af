/** Numbers out of reports, and a table out of numbers. */
import type { Report } from "./Task.ts"

/** The value that a share of them do not exceed; NaN if there are none. */
export const percentile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

export const median = (values: ReadonlyArray<number>): number => percentile(values, 0.5)

export const rate = (report: Report): number => report.count / report.seconds

export const cpuEach = (report: Report): number => report.cpuMicros / report.count

/** The median over rounds of this round's value against the other's in the same round. */
export const ratio = (
  mine: ReadonlyArray<Report>,
  others: ReadonlyArray<Report>,
  of: (report: Report) => number
): number => median(mine.flatMap((report, round) => others[round] === undefined ? [] : of(report) / of(others[round])))

/** Milliseconds from one lane's release to the next lane's first step. A lane that follows itself hands nothing over. */
export const handOvers = (report: Report): ReadonlyArray<number> => {
  const turns = inOrder(report)
  return turns.flatMap(([lane, entered], index) => {
    const before = turns[index - 1]
    return before === undefined || before[0] === lane ? [] : [(entered - before[2]) / 1e6]
  })
}

/** How many of 200 turns in a row each lane had; scaled where there were fewer. */
export const shares = (report: Report, lanes: number): ReadonlyArray<number> => {
  const window = inOrder(report).slice(0, 200)
  return Array.from(
    { length: lanes },
    (_, lane) => window.filter(([who]) => who === lane).length * 200 / window.length
  )
}

/** How often somebody came in before the one before was out. */
export const overlaps = (report: Report): number =>
  inOrder(report).filter(([, entered], index, turns) => entered < (turns[index - 1]?.[2] ?? 0)).length

// The first tenth is left out: the line has yet to form.
const inOrder = (report: Report) =>
  [...report.turns].sort((a, b) => a[1] - b[1]).slice(Math.floor(report.turns.length / 10))

export const round = (value: number, digits = 3): string =>
  Number.isFinite(value) ? Number(value.toPrecision(digits)).toLocaleString("en-US") : "–"

export const table = (heads: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const all = [heads, heads.map((_, column) => column === 0 ? "---" : "---:"), ...rows]
  return all.map((cells) => `| ${cells.join(" | ")} |`).join("\n")
}
