import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Load } from "../../harness/Load.ts"
import { type Task, tasks, Work } from "./work.ts"

const microtask = Effect.promise(() => Promise.resolve())

/** One fiber brings all tasks, and then waits for each outcome. */
export const effects = <E, E2>(
  lined: (
    handle: (task: Task) => Effect.Effect<void>
  ) => Effect.Effect<(task: Task) => Effect.Effect<Effect.Effect<void, E>, E>, E2, Scope.Scope>
): Load => ({
  run: (count) => {
    const work = new Work()
    const handle = (task: Task) =>
      Effect.suspend(() => {
        work.enter(task)
        return Effect.map(microtask, () => work.leave(task))
      })
    return Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const enqueue = yield* lined(handle)
      const outcomes = yield* Effect.forEach(tasks(count), enqueue)
      yield* Effect.forEach(outcomes, (outcome) => outcome, { discard: true })
    })))
  }
})
