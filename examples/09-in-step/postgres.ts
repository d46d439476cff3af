import { PostgresKvStore } from "@heddle/postgres"

/** The keys live in a PostgreSQL database. */
export const layer = PostgresKvStore.layer({
  url: process.env["HEDDLE_POSTGRES_URL"] ?? "postgres://localhost/postgres"
})
