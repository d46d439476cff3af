/** workerpool, fib(25). */
import { workerpool } from "./workerpool.ts"

export const open = workerpool(25)
