/** The least that Effect's runtime allows, where every item keeps its own exit: made at the end, all at once. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Open } from "../../harness/Load.ts"
import { itemsOf, work, workers } from "./task.ts"

const lanes = (items: ReadonlyArray<number>) => {
  const values: Array<number> = []
  const failures = new Map<number, Exit.Exit<never>>()
  values.length = items.length
  let next = 0
  const lane = Effect.suspend(() => {
    let index = 0
    const tasks = Effect.whileLoop({
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
    const each: Effect.Effect<void> = Effect.catchCause(tasks, (cause) => {
      failures.set(index, Exit.failCause(cause))
      return each
    })
    return each
  })
  const all = Effect.forEach(Array.from({ length: workers }), () => lane, { concurrency: "unbounded", discard: true })
  return Effect.map(all, () => {
    const exits: Array<Exit.Exit<number>> = values.map(Exit.succeed)
    for (const [at, exit] of failures) exits[at] = exit
    return exits
  })
}

export const open: Open = () => Promise.resolve({ run: (count) => Effect.runPromise(lanes(itemsOf(count))) })
