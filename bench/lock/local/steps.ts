/** A thousand steps of Effect a turn, under no lock. */
import * as Effect from "effect/Effect"
import type { Contender, Lane, Open } from "../../harness/Contender.ts"

/** Runs a lane's turns of a thousand steps each inside of `around`. */
export const steps = (around: <A>(all: Effect.Effect<A>) => Effect.Effect<A, unknown>): Contender => ({
  run: ({ again, enter, leave }: Lane) => {
    let left = 0
    const step = Effect.sync(() => {})
    const thousand = Effect.whileLoop({ while: () => left-- > 0, body: () => step, step: () => {} })
    const turn = Effect.suspend(() => {
      enter()
      left = 1000
      return Effect.andThen(thousand, Effect.sync(leave))
    })
    return Effect.runPromise(around(Effect.whileLoop({ while: again, body: () => turn, step: () => {} })))
  }
})

export const open: Open = () => Promise.resolve(steps((all) => all))
