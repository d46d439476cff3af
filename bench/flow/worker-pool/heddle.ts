/** Heddle's WorkerPool: with a bounded queue, ten priorities, deadlines where asked for, and a full account. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { WorkerPool } from "heddle/flow"
import type { Open } from "../../harness/Load.ts"
import { effectCallers, task, workers } from "./callers.ts"

export const open: Open = async () => {
  const pool = await Effect.runPromise(Scope.provide(WorkerPool.make({ size: workers }), Scope.makeUnsafe()))
  return effectCallers(pool.submit(task))
}
