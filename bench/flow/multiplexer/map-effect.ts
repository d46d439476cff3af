/** What Effect takes for an element that passes one effect: three sources one after the other. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Open } from "../../harness/Load.ts"
import { source, streams } from "./work.ts"

export const open: Open = () =>
  Promise.resolve(streams((count) => {
    const one = source(count)
    return Stream.concat(one, Stream.concat(one, one)).pipe(Stream.mapEffect((n) => Effect.succeed(n)))
  }))
