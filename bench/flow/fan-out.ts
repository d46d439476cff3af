/** 100,000 trivial tasks, 100 at a time, their results in the order of the items. */
import type { Match } from "../harness/loads.ts"

export const matches: ReadonlyArray<Match> = [
  {
    title: "Fan-out of 100,000 trivial tasks at 100: tasks a second",
    from: import.meta.url,
    count: 100_000,
    rounds: 9,
    warmUps: 20,
    contenders: [
      ["the leanest lanes in Effect", "fan-out/lanes.ts"],
      ["the leanest that keep every exit", "fan-out/lanes-exits.ts"],
      ["heddle, `forEach`", "fan-out/heddle-each.ts"],
      ["heddle, `gather`", "fan-out/heddle.ts"],
      ["Effect's forEach", "fan-out/effect.ts"],
      ["p-map", "fan-out/p-map.ts"],
      ["p-limit", "fan-out/p-limit.ts"],
      ["fastq", "fan-out/fastq.ts"],
      ["p-queue", "fan-out/p-queue.ts"]
    ]
  }
]
