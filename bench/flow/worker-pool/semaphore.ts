/** Effect's Semaphore: the task runs in its caller's fiber. No bound on who waits, no priorities, no drain, no account. */
import * as Semaphore from "effect/Semaphore"
import type { Open } from "../../harness/Load.ts"
import { effectCallers, task, workers } from "./callers.ts"

export const open: Open = () => Promise.resolve(effectCallers(Semaphore.makeUnsafe(workers).withPermit(task)))
