/** The patterns of one process beside their peers. Each pattern brings a list of matches. */
import * as Effect from "effect/Effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { type Match, match } from "../harness/loads.ts"

const matches: ReadonlyArray<Match> = []

export const flow = ({ quick }: { readonly quick: boolean }) =>
  Effect.gen(function*() {
    const figures = yield* Effect.forEach(
      matches,
      (one) => match(quick ? { ...one, count: Math.ceil(one.count / 10), rounds: 1 } : one)
    )
    mkdirSync(".cache/bench", { recursive: true })
    writeFileSync(".cache/bench/flow.json", JSON.stringify(figures, null, 2))
  })
