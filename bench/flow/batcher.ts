/** A thousand callers that load one id after another, in batches of a hundred. */
import type { Match } from "../harness/loads.ts"

export const matches: ReadonlyArray<Match> = [
  {
    title: "Batcher: 1,000 callers, batches of 100, loads a second",
    from: import.meta.url,
    count: 300_000,
    rounds: 5,
    contenders: [
      ["the leanest batches in Effect", "batcher/floor.ts"],
      ["the leanest in which one can leave", "batcher/floor-cancel.ts"],
      ["heddle", "batcher/heddle.ts"],
      ["heddle, with a `maxWait`", "batcher/heddle-timed.ts"],
      ["dataloader", "batcher/dataloader.ts"],
      ["Effect's RequestResolver", "batcher/resolver.ts"]
    ]
  }
]
