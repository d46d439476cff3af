/** Callers of one key, each again and again, whose turns suspend once: how much the length of the line costs. */
import type { Match } from "../harness/loads.ts"

const contenders = (waiting: number): Match["contenders"] => [
  ["heddle", `keyed-mutex/heddle-${waiting}.ts`],
  ["Effect's Semaphore", `keyed-mutex/semaphore-${waiting}.ts`],
  ["async-mutex", `keyed-mutex/async-mutex-${waiting}.ts`]
]

const match = (waiting: number, rounds: number, count: number): Match => ({
  title: `Keyed mutex, ${waiting.toLocaleString("en-US")} callers of one key: turns a second`,
  from: import.meta.url,
  count,
  rounds,
  contenders: contenders(waiting)
})

export const matches: ReadonlyArray<Match> = [match(10, 5, 100_000), match(100, 5, 100_000), match(10_000, 3, 50_000)]
