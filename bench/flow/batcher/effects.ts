import * as Effect from "effect/Effect"
import type { Load } from "../../harness/Load.ts"

const callers = 1000
const microtask = Effect.promise(() => Promise.resolve())

/** Answers each id with its double, after a microtask. */
export const double = (ids: ReadonlyArray<number>): Effect.Effect<ReadonlyArray<number>> =>
  Effect.map(microtask, () => ids.map((id) => 2 * id))

/** A thousand fibers that load one id after another, and die where the answer is another's. */
export const effects = <E>(load: (id: number) => Effect.Effect<number, E>): Load => ({
  run: (count) => {
    const caller = (first: number) => {
      let id = first
      return Effect.whileLoop({
        while: () => id < count,
        body: () => load(id),
        step: (answer) => {
          if (answer !== 2 * id) throw new Error("another's answer")
          id += callers
        }
      })
    }
    const all = Array.from({ length: callers }, (_, at) => caller(at))
    return Effect.runPromise(Effect.all(all, { concurrency: "unbounded", discard: true }))
  }
})
