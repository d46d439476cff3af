/** A map of Effect's semaphores, 10000 callers. */
import { semaphore } from "./callers.ts"

export const open = semaphore(10_000)
