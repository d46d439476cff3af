/** The leanest that Effect's runtime allows: an array and a fiber a key, a job that is its own outcome; no bound, no cancelling, no end. */
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type * as Exit from "effect/Exit"
import type { Open } from "../../harness/Load.ts"
import { effects } from "./effects.ts"
import type { Task } from "./work.ts"

class Job extends Effectable.Class<void> {
  private exit: Exit.Exit<void> | undefined = undefined
  private resume: ((exit: Exit.Exit<void>) => void) | undefined = undefined
  readonly task: Task
  constructor(task: Task) {
    super()
    this.task = task
  }
  override asEffect(): Effect.Effect<void> {
    return this.exit ?? Effect.callback((resume) => {
      if (this.exit === undefined) this.resume = resume
      else resume(this.exit)
    })
  }
  end(exit: Exit.Exit<void>): void {
    this.exit = exit
    this.resume?.(exit)
  }
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
            step: (exit) => job?.end(exit)
          })
        }
        return (task: Task) =>
          Effect.withFiber((fiber) => {
            const job = new Job(task)
            const jobs = lanes.get(task.key)
            if (jobs === undefined) {
              const made = [job]
              lanes.set(task.key, made)
              fiber.currentDispatcher.scheduleTask(() => void Effect.runFork(drain(task.key, made)), 0)
            } else jobs.push(job)
            return Effect.succeed(job)
          })
      })
  ))
