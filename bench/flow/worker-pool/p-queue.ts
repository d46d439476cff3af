import PQueue from "p-queue"
import type { Open } from "../../harness/Load.ts"
import { promiseCallers, work, workers } from "./callers.ts"

export const open: Open = () => {
  const queue = new PQueue({ concurrency: workers })
  return Promise.resolve(promiseCallers(() => queue.add(work)))
}
