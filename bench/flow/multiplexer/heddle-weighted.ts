/** Heddle's Multiplexer: by weight. */
import * as Stream from "effect/Stream"
import { Multiplexer } from "heddle/flow"
import type { Open } from "../../harness/Load.ts"
import { source, streams } from "./work.ts"

export const open: Open = () =>
  Promise.resolve(streams((count) => {
    const stream = source(count)
    const sources = { high: { stream, weight: 3 }, middle: { stream, weight: 2 }, low: { stream } }
    return Stream.map(Multiplexer.stream({ sources, order: "weighted" }), ({ value }) => value)
  }))
