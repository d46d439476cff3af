/** piscina, fib(1). */
import { piscina } from "./piscina.ts"

export const open = piscina(1)
