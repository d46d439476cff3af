import * as fastq from "fastq"
import type { Open } from "../../harness/Load.ts"
import { promiseCallers, work, workers } from "./callers.ts"

export const open: Open = () => {
  const queue = fastq.promise<unknown, number, number>(work, workers)
  return Promise.resolve(promiseCallers(() => queue.push(1)))
}
