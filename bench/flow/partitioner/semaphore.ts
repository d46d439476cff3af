/** One of Effect's semaphores a key, and a fiber a task. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import type { Open } from "../../harness/Load.ts"
import { effects } from "./effects.ts"
import type { Task } from "./work.ts"

export const open: Open = () =>
  Promise.resolve(effects(
    (handle) =>
      Effect.sync(() => {
        const semaphores = new Map<number, Semaphore.Semaphore>()
        return (task: Task) => {
          let semaphore = semaphores.get(task.key)
          if (semaphore === undefined) semaphores.set(task.key, semaphore = Semaphore.makeUnsafe(1))
          const forked = Effect.forkChild(semaphore.withPermit(handle(task)), { startImmediately: true })
          return Effect.map(forked, Fiber.join)
        }
      })
  ))
