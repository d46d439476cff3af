/** A map of Effect's semaphores, 10 callers. */
import { semaphore } from "./callers.ts"

export const open = semaphore(10)
