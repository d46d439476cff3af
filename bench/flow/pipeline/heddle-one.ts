/** Heddle's Pipeline with one worker. */
import * as Effect from "effect/Effect"
import { Pipeline } from "heddle/flow"
import type { Open } from "../../harness/Load.ts"
import { streams } from "./work.ts"

const pipeline = Pipeline.make<number>().pipe(Pipeline.stage("one", (n: number) => Effect.succeed(n + 1)))

export const open: Open = () => Promise.resolve(streams(1, (source) => Pipeline.stream(pipeline, source)))
