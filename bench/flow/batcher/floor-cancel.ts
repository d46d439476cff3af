/** The leanest batches in which one who waits can leave, which is what `submit` promises: no bound, no time, no end. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Scheduler from "effect/Scheduler"
import type { Open } from "../../harness/Load.ts"
import { double, effects } from "./effects.ts"

/** As an effect it is what is done when who waits is interrupted: an object of its own for that would cost more. */
class Job extends Effectable.Class<void> {
  readonly id: number
  readonly resume: (exit: Exit.Exit<number>) => void
  private readonly leave: (job: Job) => Effect.Effect<void>
  constructor(id: number, resume: (exit: Exit.Exit<number>) => void, leave: (job: Job) => Effect.Effect<void>) {
    super()
    this.id = id
    this.resume = resume
    this.leave = leave
  }
  override asEffect(): Effect.Effect<void> {
    return this.leave(this)
  }
}

export const open: Open = () => {
  const dispatcher = Context.get(Context.empty(), Scheduler.Scheduler).makeDispatcher()
  let jobs: Array<Job> = []
  const leave = (job: Job) => {
    jobs = jobs.filter((one) => one !== job)
    return Effect.void
  }
  const send = () => {
    const batch = jobs
    jobs = []
    if (batch.length === 0) return
    const run = Effect.map(double(batch.map(({ id }) => id)), (answers) => {
      for (let at = 0; at < batch.length; at++) batch[at]?.resume(Exit.succeed(answers[at] ?? NaN))
    })
    Effect.runFork(run)
  }
  const load = (id: number) =>
    Effect.callback<number>((resume) => {
      const job = new Job(id, resume, leave)
      if (jobs.push(job) === 1) dispatcher.scheduleTask(send, 0)
      else if (jobs.length === 100) send()
      return job
    })
  return Promise.resolve(effects(load))
}
