/** Heddle, 10000 callers. */
import { heddle } from "./callers.ts"

export const open = heddle(10_000)
