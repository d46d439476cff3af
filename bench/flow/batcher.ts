/** A thousand callers that load one id after another, in batches of a hundred. */
import type { Match } from "../harness/loads.ts"

export const matches: ReadonlyArray<Match> = [
  {
    title: "Batcher: 1,000 callers, batches of 100, loads a second",
    from: import.meta.url,
    count: 300_000,
    rounds: 9,
    warmUps: 4,
    contenders: [
      ["the leanest batches in Effect", "batcher/floor-cancel.ts"],
      ["the leanest, and nobody can leave", "batcher/floor.ts"],
      ["heddle", "batcher/heddle.ts"],
      ["heddle, with a `maxWait`", "batcher/heddle-timed.ts"],
      ["dataloader", "batcher/dataloader.ts"],
      ["Effect's RequestResolver", "batcher/resolver.ts"]
    ]
  }
]
