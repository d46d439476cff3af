import { PostgresLeaseStore } from "@heddle/postgres"

/** The group lives in a PostgreSQL database. */
export const layer = PostgresLeaseStore.layer({
  url: process.env["HEDDLE_POSTGRES_URL"] ?? "postgres://localhost/postgres"
})
