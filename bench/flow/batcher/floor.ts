/** The leanest batches that Effect's runtime allows: an array of those who wait, and nobody can leave; no bound, no time, no end. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scheduler from "effect/Scheduler"
import type { Open } from "../../harness/Load.ts"
import { double, effects } from "./effects.ts"

interface Job {
  readonly id: number
  readonly resume: (exit: Exit.Exit<number>) => void
}

export const open: Open = () => {
  const dispatcher = Context.get(Context.empty(), Scheduler.Scheduler).makeDispatcher()
  let jobs: Array<Job> = []
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
      if (jobs.push({ id, resume }) === 1) dispatcher.scheduleTask(send, 0)
      else if (jobs.length === 100) send()
    })
  return Promise.resolve(effects(load))
}
