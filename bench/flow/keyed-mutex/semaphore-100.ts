/** A map of Effect's semaphores, 100 callers. */
import { semaphore } from "./callers.ts"

export const open = semaphore(100)
