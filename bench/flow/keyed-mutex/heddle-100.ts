/** Heddle, 100 callers. */
import { heddle } from "./callers.ts"

export const open = heddle(100)
