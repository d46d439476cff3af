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

export const matches: ReadonlyArray<Match> = [
  match(10, 5, 100_000),
  match(100, 5, 100_000),
  match(10_000, 3, 50_000),
  {
    title: "Keyed mutex, as its line grows: turns a second, half a million of them",
    from: import.meta.url,
    count: 500_000,
    rounds: 3,
    contenders: [
      ["heddle, 10 callers", "keyed-mutex/heddle-10.ts"],
      ["heddle, 100", "keyed-mutex/heddle-100.ts"],
      ["heddle, 10,000", "keyed-mutex/heddle-10000.ts"],
      ["the leanest line in Effect, 10", "keyed-mutex/floor-10.ts"],
      ["the leanest line in Effect, 100", "keyed-mutex/floor-100.ts"],
      ["the leanest line in Effect, 10,000", "keyed-mutex/floor-10000.ts"],
      ["no line at all, 10", "keyed-mutex/alone-10.ts"],
      ["no line at all, 10,000", "keyed-mutex/alone-10000.ts"],
      ["async-mutex, 10", "keyed-mutex/async-mutex-10.ts"],
      ["async-mutex, 10,000", "keyed-mutex/async-mutex-10000.ts"]
    ]
  }
]
