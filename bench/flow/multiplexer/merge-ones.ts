/** Effect's merge of sources that give one element at a time. */
import * as Stream from "effect/Stream"
import type { Open } from "../../harness/Load.ts"
import { source, streams } from "./work.ts"

export const open: Open = () =>
  Promise.resolve(streams((count) => {
    const one = Stream.rechunk(source(count), 1)
    return Stream.mergeAll([one, one, one], { concurrency: 3, bufferSize: 16 })
  }))
