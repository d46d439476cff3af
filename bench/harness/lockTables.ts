/** What the reports of a lock say, as tables and as JSON. */
import type { Results } from "./rounds.ts"
import { cpuEach, handOvers, median, overlaps, percentile, rate, ratio, round, shares, table } from "./stats.ts"
import type { Report } from "./Task.ts"

/** Each contender's rate, its ratio to the first, and the CPU time of its process for one operation. */
export const rateTable = (results: Results, first: string): string => {
  const tasks = [...results]
  const cells = (name: string) =>
    tasks.flatMap(([, reports]) => {
      const mine = reports.get(name) ?? []
      return [
        round(median(mine.map(rate))),
        round(ratio(mine, reports.get(first) ?? [], rate)),
        round(median(mine.map(cpuEach)))
      ]
    })
  const heads = tasks.flatMap(([task]) => [`at ${task}`, "ratio", "CPU µs"])
  return table(["", ...heads], contenders(results).map((name) => [name].concat(cells(name))))
}

/** Each contender's hand-over time, its ratio to the first, and the turns of whoever had the fewest and the most. */
export const handOverTable = (waiters: number) => (results: Results, first: string): string =>
  table(
    ["", "p50", "ratio", "p99", "turns of 200", "greedy: p50", "p99", "turns of 200"],
    contenders(results).map((name) => {
      const polite = results.get("polite")?.get(name) ?? []
      const greedy = results.get("greedy")?.get(name) ?? []
      const limit = results.get("polite")?.get(first) ?? []
      const together = [...polite, ...greedy].reduce((sum, report) => sum + overlaps(report), 0)
      return [
        together === 0 ? name : `${name} (${together} times two were inside at once)`,
        round(p50(polite)),
        round(ratio(polite, limit, (report) => p50([report]))),
        round(p99(polite)),
        extremes(polite, waiters),
        round(p50(greedy)),
        round(p99(greedy)),
        extremes(greedy, waiters)
      ]
    })
  )

/** What the tables are made of, round by round. */
export const summary = (results: Results) =>
  Object.fromEntries([...results].map(([task, reports]) => [
    task,
    Object.fromEntries([...reports].map(([name, rounds]) => [
      name,
      rounds.map((report) => ({
        count: report.count,
        seconds: report.seconds,
        cpuMicros: report.cpuMicros,
        handOver: report.turns.length === 0 ? undefined : { p50: p50([report]), p99: p99([report]) }
      }))
    ]))
  ]))

const contenders = (
  results: Results
): ReadonlyArray<string> => [...new Set([...results.values()].flatMap((reports) => Array.from(reports.keys())))]

const p50 = (reports: ReadonlyArray<Report>) => median(reports.flatMap(handOvers))
const p99 = (reports: ReadonlyArray<Report>) => percentile(reports.flatMap(handOvers), 0.99)

const extremes = (reports: ReadonlyArray<Report>, waiters: number): string =>
  [Math.min, Math.max]
    .map((pick) => median(reports.map((report) => pick(...shares(report, waiters)))).toFixed())
    .join(" to ")
