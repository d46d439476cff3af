/** Heddle's FanOut, `gather`: every outcome, in the order of the items. */
import * as Effect from "effect/Effect"
import { FanOut } from "heddle/flow"
import type { Open } from "../../harness/Load.ts"
import { itemsOf, work, workers } from "./task.ts"

const task = (item: number) => Effect.promise(() => work(item))

export const open: Open = () =>
  Promise.resolve({ run: (count) => Effect.runPromise(FanOut.gather(itemsOf(count), task, { workers })) })
