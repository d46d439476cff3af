import { worker } from "workerpool"
import { fib } from "./fib.ts"

worker({ fib })
