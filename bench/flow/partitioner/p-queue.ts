/** One p-queue a key. */
import PQueue from "p-queue"
import type { Open } from "../../harness/Load.ts"
import { promises } from "./promises.ts"

export const open: Open = () =>
  Promise.resolve(promises(() => {
    const queues = new Map<number, PQueue>()
    return ({ key }, run) => {
      let queue = queues.get(key)
      if (queue === undefined) queues.set(key, queue = new PQueue({ concurrency: 1 }))
      return queue.add(run)
    }
  }))
