export { aimd as open } from "./heddle.ts"
