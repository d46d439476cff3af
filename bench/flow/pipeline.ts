/** Elements through two stages of sixteen workers each, in order of input; each stage takes a microtask. */
import type { Match } from "../harness/loads.ts"

export const matches: ReadonlyArray<Match> = [
  {
    title: "Pipeline, two stages of 16, in order: elements a second",
    from: import.meta.url,
    count: 50_000,
    rounds: 7,
    contenders: [
      ["Effect's `Stream.mapEffect`, twice", "pipeline/map-effect.ts"],
      ["the leanest stages in Effect", "pipeline/floor.ts"],
      ["heddle", "pipeline/heddle.ts"],
      ["workers between Effect's Queues, in any order", "pipeline/queues.ts"],
      ["Node's `Readable.map`, twice", "pipeline/readable.ts"]
    ]
  },
  {
    title: "Pipeline, one stage of one worker that does not suspend: elements a second",
    from: import.meta.url,
    count: 100_000,
    rounds: 7,
    contenders: [
      ["Effect's `Stream.mapEffect`", "pipeline/map-effect-one.ts"],
      ["heddle", "pipeline/heddle-one.ts"]
    ]
  }
]
