/** Dataloader, without its cache. */
import DataLoader from "dataloader"
import type { Open } from "../../harness/Load.ts"

const callers = 1000

export const open: Open = () => {
  const loader = new DataLoader<number, number>(async (ids) => {
    await Promise.resolve()
    return ids.map((id) => 2 * id)
  }, { cache: false, maxBatchSize: 100 })
  const caller = async (first: number, count: number) => {
    for (let id = first; id < count; id += callers) {
      if (await loader.load(id) !== 2 * id) throw new Error("another's answer")
    }
  }
  return Promise.resolve({ run: (count) => Promise.all(Array.from({ length: callers }, (_, at) => caller(at, count))) })
}
