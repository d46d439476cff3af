/** Effect's own operator, one element at a time. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Open } from "../../harness/Load.ts"
import { streams } from "./work.ts"

const stage = Stream.mapEffect((n: number) => Effect.succeed(n + 1))

export const open: Open = () => Promise.resolve(streams(1, stage))
