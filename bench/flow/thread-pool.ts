/** Two threads: tasks that compute for less than a millisecond, and tasks that compute nothing. 64 are brought at a time. */
import type { Match } from "../harness/loads.ts"

const match = (title: string, work: string, count: number): Match => ({
  title,
  from: import.meta.url,
  count,
  rounds: 5,
  contenders: [
    ["heddle", `thread-pool/heddle-${work}.ts`],
    ["piscina", `thread-pool/piscina-${work}.ts`],
    ["workerpool", `thread-pool/workerpool-${work}.ts`]
  ]
})

export const matches: ReadonlyArray<Match> = [
  match("Thread pool, two threads, fib(25): tasks a second", "fib", 3000),
  match("Thread pool, two threads, empty tasks: tasks a second", "empty", 30_000)
]
