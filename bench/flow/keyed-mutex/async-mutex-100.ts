/** A map of mutexes of async-mutex, 100 callers. */
import { asyncMutex } from "./callers.ts"

export const open = asyncMutex(100)
