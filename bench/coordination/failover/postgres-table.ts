/** Heddle's election in tables of PostgreSQL. */
import { PostgresLeaseStore } from "@heddle/postgres"
import { elected } from "./heddle.ts"

export const sit = elected((url) => PostgresLeaseStore.layer({ url }))
