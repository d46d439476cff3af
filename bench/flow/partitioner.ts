/** A hundred thousand tasks of a microtask each, in order by key. */
import type { Match } from "../harness/loads.ts"

export const matches: ReadonlyArray<Match> = [
  {
    title: "Partitioner: 100,000 tasks over 1,000 keys, tasks a second",
    from: import.meta.url,
    count: 100_000,
    rounds: 5,
    contenders: [
      ["the leanest lanes in Effect", "partitioner/floor.ts"],
      ["a chain of promises a key", "partitioner/chain.ts"],
      ["heddle, without bounds", "partitioner/heddle.ts"],
      ["heddle", "partitioner/heddle-bounded.ts"],
      ["fastq by hash", "partitioner/fastq.ts"],
      ["p-limit a key", "partitioner/p-limit.ts"],
      ["p-queue a key", "partitioner/p-queue.ts"],
      ["async-mutex a key", "partitioner/async-mutex.ts"],
      ["Effect's Semaphore a key", "partitioner/semaphore.ts"]
    ]
  }
]
