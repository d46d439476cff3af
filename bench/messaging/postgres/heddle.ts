/** Heddle's `WorkQueue` on `PostgresJobStore`. */
import { PostgresJobStore } from "@heddle/postgres"
import { heddle, opening } from "../Queue.ts"

export const connect = heddle((url) => PostgresJobStore.layer({ url }))
export const open = opening(connect, import.meta.url)
