/** Effect's own `forEach`: a fiber an item; the first failure ends all. */
import * as Effect from "effect/Effect"
import type { Open } from "../../harness/Load.ts"
import { itemsOf, work, workers } from "./task.ts"

const task = (item: number) => Effect.promise(() => work(item))

export const open: Open = () =>
  Promise.resolve({ run: (count) => Effect.runPromise(Effect.forEach(itemsOf(count), task, { concurrency: workers })) })
