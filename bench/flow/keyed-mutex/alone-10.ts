/** No line at all, 10 callers. */
import { alone } from "./callers.ts"

export const open = alone(10)
