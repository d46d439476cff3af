/** Callers that each bring one task after the other. */
import type { Load } from "../../harness/Load.ts"

export const callers = 64
export const size = 2

export const promises = (submit: () => PromiseLike<unknown>): Load => ({
  run: (count) => {
    let left = count
    const caller = async () => {
      while (left-- > 0) await submit()
    }
    return Promise.all(Array.from({ length: callers }, caller))
  }
})
