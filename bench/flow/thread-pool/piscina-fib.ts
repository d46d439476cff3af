/** piscina, fib(25). */
import { piscina } from "./piscina.ts"

export const open = piscina(25)
