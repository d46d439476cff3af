/** workerpool, fib(1). */
import { workerpool } from "./workerpool.ts"

export const open = workerpool(1)
