/** A hundred callers that each bring one task after another to ten workers, and wait for its result. */
import * as Effect from "effect/Effect"
import type { Load } from "../../harness/Load.ts"

export const workers = 10
const callers = 100

/** What a task does: a promise that is already done. */
export const work = (): Promise<number> => Promise.resolve(1)

export const task = Effect.promise(work)

export const effectCallers = (submit: Effect.Effect<unknown, unknown>): Load => ({
  run: (count) => {
    let left = count
    const caller = Effect.whileLoop({ while: () => left-- > 0, body: () => submit, step: () => {} })
    const all = Array.from({ length: callers }, () => caller)
    return Effect.runPromise(Effect.forEach(all, (one) => one, { concurrency: "unbounded", discard: true }))
  }
})

export const promiseCallers = (submit: () => PromiseLike<unknown>): Load => ({
  run: (count) => {
    let left = count
    const caller = async () => {
      while (left-- > 0) await submit()
    }
    return Promise.all(Array.from({ length: callers }, caller))
  }
})
