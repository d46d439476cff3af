/** The leanest line in Effect, 100 callers. */
import { floor } from "./callers.ts"

export const open = floor(100)
