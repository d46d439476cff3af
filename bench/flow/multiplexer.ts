/** Three sources of which each gives a third of the elements; the consumer does nothing that suspends. */
import type { Match } from "../harness/loads.ts"

export const matches: ReadonlyArray<Match> = [
  {
    title: "Multiplexer, three sources: elements a second",
    from: import.meta.url,
    count: 99_999,
    rounds: 7,
    contenders: [
      ["Effect's `Stream.mapEffect` on one source", "multiplexer/map-effect.ts"],
      ["the leanest merge in Effect, by priority", "multiplexer/floor.ts"],
      ["heddle, strict", "multiplexer/heddle.ts"],
      ["heddle, weighted", "multiplexer/heddle-weighted.ts"],
      ["heddle, aging", "multiplexer/heddle-aging.ts"],
      ["Effect's `Stream.mergeAll` of single elements", "multiplexer/merge-ones.ts"],
      ["Effect's `Stream.mergeAll` of chunks", "multiplexer/merge.ts"]
    ]
  }
]
