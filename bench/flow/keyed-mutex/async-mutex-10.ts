/** A map of mutexes of async-mutex, 10 callers. */
import { asyncMutex } from "./callers.ts"

export const open = asyncMutex(10)
