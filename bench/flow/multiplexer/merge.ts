/** Effect's merge, which moves whole chunks and knows no priority. */
import * as Stream from "effect/Stream"
import type { Open } from "../../harness/Load.ts"
import { source, streams } from "./work.ts"

export const open: Open = () =>
  Promise.resolve(streams((count) => {
    const one = source(count)
    return Stream.mergeAll([one, one, one], { concurrency: 3 })
  }))
