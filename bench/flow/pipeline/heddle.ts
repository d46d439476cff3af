/** Heddle's Pipeline: counted, with room for 16 before each stage. */
import { Pipeline } from "heddle/flow"
import type { Open } from "../../harness/Load.ts"
import { step, streams, workers } from "./work.ts"

const pipeline = Pipeline.make<number>().pipe(
  Pipeline.stage("one", step, { concurrency: workers }),
  Pipeline.stage("two", step, { concurrency: workers })
)

export const open: Open = () => Promise.resolve(streams(2, (source) => Pipeline.stream(pipeline, source)))
