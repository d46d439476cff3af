/** heddle, fib(1). */
import { heddle } from "./heddle.ts"

export const open = heddle(1)
