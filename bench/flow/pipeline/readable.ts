/** Node's own streams. */
import { Readable } from "node:stream"
import type { Open } from "../../harness/Load.ts"
import { addOne, check, items, workers } from "./work.ts"

const concurrency = { concurrency: workers }

const run = async (count: number) => {
  let sum = 0
  const out = Readable.from(items(count)).map(addOne, concurrency).map(addOne, concurrency)
  for await (const n of out) sum += Number(n)
  check(sum, count, 2)
}

export const open: Open = () => Promise.resolve({ run })
