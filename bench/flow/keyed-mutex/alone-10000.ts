/** No line at all, 10000 callers. */
import { alone } from "./callers.ts"

export const open = alone(10_000)
