/** A hundred callers, ten workers: tasks through a pool with a queue before it. */
import type { Match } from "../harness/loads.ts"

export const matches: ReadonlyArray<Match> = [
  {
    title: "Worker pool, 100 callers, 10 workers, trivial tasks: tasks a second",
    from: import.meta.url,
    count: 50_000,
    rounds: 7,
    contenders: [
      ["the leanest pool in Effect", "worker-pool/floor.ts"],
      ["heddle", "worker-pool/heddle.ts"],
      ["Effect's Semaphore", "worker-pool/semaphore.ts"],
      ["fastq", "worker-pool/fastq.ts"],
      ["p-queue", "worker-pool/p-queue.ts"]
    ]
  },
  {
    title: "The same beside bottleneck, which needs some milliseconds a task",
    from: import.meta.url,
    count: 500,
    rounds: 3,
    contenders: [
      ["heddle", "worker-pool/heddle.ts"],
      ["bottleneck", "worker-pool/bottleneck.ts"]
    ]
  }
]
