import pMap from "p-map"
import type { Open } from "../../harness/Load.ts"
import { itemsOf, work, workers } from "./task.ts"

export const open: Open = () =>
  Promise.resolve({ run: (count) => pMap(itemsOf(count), work, { concurrency: workers }) })
