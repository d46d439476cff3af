import * as Effect from "effect/Effect"
import type { Load } from "../harness/Load.ts"

const lanes = Array.from({ length: 64 }, (_, lane) => lane)

/** Runs an effect again and again in 64 fibers of one process. */
export const inLanes = (call: Effect.Effect<unknown, unknown>): Load => ({
  run: (count) => {
    let left = count
    const lane = Effect.whileLoop({ while: () => left-- > 0, body: () => call, step: () => {} })
    return Effect.runPromise(Effect.forEach(lanes, () => lane, { concurrency: "unbounded", discard: true }))
  }
})

/** Calls an async function again and again, 64 at once. */
export const inLanesAsync = (call: () => Promise<unknown>): Load => ({
  run: (count) => {
    let left = count
    return Promise.all(lanes.map(async () => {
      while (left-- > 0) await call()
    }))
  }
})
