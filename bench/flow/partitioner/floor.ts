/** The leanest that Effect's runtime allows: an array and a fiber a key, a `Deferred` a task; no bound, no cancelling, no end. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Open } from "../../harness/Load.ts"
import { effects } from "./effects.ts"
import type { Task } from "./work.ts"

interface Job {
  readonly task: Task
  readonly done: Deferred.Deferred<void>
}

export const open: Open = () =>
  Promise.resolve(effects(
    (handle) =>
      Effect.sync(() => {
        const lanes = new Map<number, Array<Job>>()
        const drain = (key: number, jobs: ReadonlyArray<Job>) => {
          let at = 0
          let job = jobs[0]
          return Effect.whileLoop({
            while: () => (job = jobs[at++]) !== undefined || !lanes.delete(key),
            body: () => job === undefined ? Effect.interrupt : Effect.exit(handle(job.task)),
            step: (exit) => {
              if (job !== undefined) Deferred.doneUnsafe(job.done, exit)
            }
          })
        }
        return (task: Task) =>
          Effect.withFiber((fiber) => {
            const job = { task, done: Deferred.makeUnsafe<void>() }
            const jobs = lanes.get(task.key)
            if (jobs === undefined) {
              const made = [job]
              lanes.set(task.key, made)
              fiber.currentDispatcher.scheduleTask(() => void Effect.runFork(drain(task.key, made)), 0)
            } else jobs.push(job)
            return Effect.succeed(Deferred.await(job.done))
          })
      })
  ))
