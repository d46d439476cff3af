/** Effect's own operator, one after another. */
import * as Stream from "effect/Stream"
import type { Open } from "../../harness/Load.ts"
import { step, streams, workers } from "./work.ts"

const stage = Stream.mapEffect(step, { concurrency: workers })

export const open: Open = () => Promise.resolve(streams(2, (source) => source.pipe(stage, stage)))
