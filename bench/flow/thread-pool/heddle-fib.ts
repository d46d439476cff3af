/** heddle, fib(25). */
import { heddle } from "./heddle.ts"

export const open = heddle(25)
