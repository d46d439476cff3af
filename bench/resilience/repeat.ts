import * as Effect from "effect/Effect"
import type { Load } from "../harness/Load.ts"

/** Runs an effect again and again in one fiber. */
export const repeat = (call: Effect.Effect<unknown, unknown>): Load => ({
  run: (count) => {
    let left = count
    return Effect.runPromise(Effect.whileLoop({ while: () => left-- > 0, body: () => call, step: () => {} }))
  }
})

/** Calls an async function again and again, each when the one before has ended. */
export const repeatAsync = (call: () => Promise<unknown>): Load => ({
  run: async (count) => {
    for (let left = count; left > 0; left--) await call()
  }
})
