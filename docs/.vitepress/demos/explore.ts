/** Two sales of one piece, and the interleaving in which both take place. */
import { replay, run } from "@heddle/testkit/Explore"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** What the run that was last made did, in its order. */
let story: Array<string> = []

const program = Effect.gen(function*() {
  story = []
  let stock = 1
  let sold = 0
  const sell = (name: string) =>
    Effect.gen(function*() {
      const left = stock
      story.push(`${name} looks at the shelf: ${left} left`)
      yield* Effect.yieldNow
      if (left === 0) return
      stock = left - 1
      sold++
      story.push(`${name} takes a piece: ${stock} left, sold ${sold}`)
    })
  yield* Effect.all([sell("ada"), sell("ben")], { concurrency: "unbounded" })
  if (sold > 1) return yield* Effect.fail("sold twice")
})

export interface Found {
  readonly runs: number
  readonly token: string
  readonly story: ReadonlyArray<string>
}

/** What `Explore` finds from a seed on; undefined if it finds nothing. */
export const find = async (seed: number): Promise<Found | undefined> => {
  const exit = await Effect.runPromiseExit(Effect.flip(run(program, { seed })))
  if (Exit.isFailure(exit)) return undefined
  const { runs, token } = exit.value
  await Effect.runPromiseExit(replay(program, token))
  return { runs, token, story: [...story, "the shelf had one piece, and two were sold"] }
}
