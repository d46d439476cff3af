import * as fastq from "fastq"
import type { Open } from "../../harness/Load.ts"
import { itemsOf, work, workers } from "./task.ts"

export const open: Open = () =>
  Promise.resolve({
    run: (count) => {
      const queue = fastq.promise<unknown, number, number>(work, workers)
      return Promise.all(itemsOf(count).map((item) => queue.push(item)))
    }
  })
