/** Heddle's Multiplexer: the highest priority first. */
import * as Stream from "effect/Stream"
import { Multiplexer } from "heddle/flow"
import type { Open } from "../../harness/Load.ts"
import { source, streams } from "./work.ts"

export const open: Open = () =>
  Promise.resolve(streams((count) => {
    const stream = source(count)
    const sources = { high: { stream, priority: 2 }, middle: { stream, priority: 1 }, low: { stream } }
    return Stream.map(Multiplexer.stream({ sources }), ({ value }) => value)
  }))
