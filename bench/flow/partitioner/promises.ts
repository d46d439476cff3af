import type { Load } from "../../harness/Load.ts"
import { type Task, tasks, Work } from "./work.ts"

/** All tasks at once, and then all outcomes, of something that runs a promise in the line of its key. */
export const promises = (lined: () => (task: Task, run: () => Promise<void>) => Promise<unknown>): Load => ({
  run: (count) => {
    const work = new Work()
    const submit = lined()
    return Promise.all(
      tasks(count).map((task) =>
        submit(task, async () => {
          work.enter(task)
          await Promise.resolve()
          work.leave(task)
        })
      )
    )
  }
})
