/** The leanest batches in which one who waits can leave: no bound, no time, no end. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Open } from "../../harness/Load.ts"
import { double, effects } from "./effects.ts"

interface Job {
  readonly id: number
  readonly resume: (exit: Exit.Exit<number>) => void
}

export const open: Open = () => {
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
    Effect.withFiber((fiber) =>
      Effect.callback<number>((resume) => {
        const job = { id, resume }
        if (jobs.push(job) === 1) fiber.currentDispatcher.scheduleTask(send, 0)
        else if (jobs.length === 100) send()
        return Effect.sync(() => {
          jobs = jobs.filter((one) => one !== job)
        })
      })
    )
  return Promise.resolve(effects(load))
}
