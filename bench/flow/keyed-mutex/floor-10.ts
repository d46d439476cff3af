/** The leanest line in Effect, 10 callers. */
import { floor } from "./callers.ts"

export const open = floor(10)
