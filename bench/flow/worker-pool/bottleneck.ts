import Bottleneck from "bottleneck"
import type { Open } from "../../harness/Load.ts"
import { promiseCallers, work, workers } from "./callers.ts"

export const open: Open = () => {
  const limiter = new Bottleneck({ maxConcurrent: workers })
  return Promise.resolve(promiseCallers(() => limiter.schedule(work)))
}
