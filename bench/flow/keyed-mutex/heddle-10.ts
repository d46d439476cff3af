/** Heddle, 10 callers. */
import { heddle } from "./callers.ts"

export const open = heddle(10)
