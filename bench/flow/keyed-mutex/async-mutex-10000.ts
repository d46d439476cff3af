/** A map of mutexes of async-mutex, 10000 callers. */
import { asyncMutex } from "./callers.ts"

export const open = asyncMutex(10_000)
