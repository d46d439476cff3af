import pLimit from "p-limit"
import type { Open } from "../../harness/Load.ts"
import { itemsOf, work, workers } from "./task.ts"

export const open: Open = () =>
  Promise.resolve({
    run: (count) => {
      const limit = pLimit(workers)
      return Promise.all(itemsOf(count).map((item) => limit(work, item)))
    }
  })
