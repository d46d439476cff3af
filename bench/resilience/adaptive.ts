/** A call that runs at once, through a limit that follows the latency, and through one that stays. */
import type { Match } from "../harness/loads.ts"

export const matches: ReadonlyArray<Match> = [
  {
    title: "Adaptive limiter, a place is free: calls a second",
    from: import.meta.url,
    count: 200_000,
    rounds: 5,
    contenders: [
      ["heddle, gradient", "adaptive/heddle.ts"],
      ["heddle, aimd", "adaptive/heddle-aimd.ts"],
      ["Effect's Semaphore, a limit that stays", "adaptive/semaphore.ts"],
      ["cockatiel's bulkhead, a limit that stays", "adaptive/cockatiel.ts"]
    ]
  }
]
