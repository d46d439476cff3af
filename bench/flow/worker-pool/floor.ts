/** The least that Effect's runtime allows for tasks that can be ended apart from their callers: a list, and a fiber a task. */
import * as Effect from "effect/Effect"
import type { Open } from "../../harness/Load.ts"
import { effectCallers, task, workers } from "./callers.ts"

const pool = () => {
  let free = workers
  const line: Array<() => void> = []
  return <A, E>(work: Effect.Effect<A, E>) =>
    Effect.callback<A, E>((resume) => {
      const begin = () => {
        free--
        Effect.runFork(work).addObserver((exit) => {
          free++
          resume(exit)
          if (free > 0) line.shift()?.()
        })
      }
      if (free > 0) begin()
      else line.push(begin)
    })
}

export const open: Open = () => Promise.resolve(effectCallers(pool()(task)))
