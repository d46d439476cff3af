export { gcra as open } from "./heddle.ts"
