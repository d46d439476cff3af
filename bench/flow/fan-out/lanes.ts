/** The least that Effect's runtime allows: a fiber a worker, which takes the next item; the first failure ends all. */
import * as Effect from "effect/Effect"
import type { Open } from "../../harness/Load.ts"
import { itemsOf, work, workers } from "./task.ts"

const lanes = (items: ReadonlyArray<number>) => {
  const values: Array<number> = []
  values.length = items.length
  let next = 0
  const lane = Effect.suspend(() => {
    let index = 0
    return Effect.whileLoop({
      while: () => next < items.length,
      body: () => {
        index = next++
        const item = items[index] ?? 0
        return Effect.promise(() => work(item))
      },
      step: (value) => {
        values[index] = value
      }
    })
  })
  const all = Effect.forEach(Array.from({ length: workers }), () => lane, { concurrency: "unbounded", discard: true })
  return Effect.as(all, values)
}

export const open: Open = () => Promise.resolve({ run: (count) => Effect.runPromise(lanes(itemsOf(count))) })
