import PQueue from "p-queue"
import type { Open } from "../../harness/Load.ts"
import { itemsOf, work, workers } from "./task.ts"

export const open: Open = () =>
  Promise.resolve({
    run: (count) => {
      const queue = new PQueue({ concurrency: workers })
      return Promise.all(itemsOf(count).map((item) => queue.add(() => work(item))))
    }
  })
