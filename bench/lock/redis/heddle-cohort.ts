/** Heddle's lock on Redis, passed on inside a process. */
import { opened } from "./heddle.ts"

export const open = opened({ order: "cohort" })
