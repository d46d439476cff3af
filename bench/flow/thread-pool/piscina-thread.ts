export { fib as default } from "./fib.ts"
