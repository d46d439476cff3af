import { Postgres, PostgresBroker, PostgresLogStore } from "@heddle/postgres"
import * as Layer from "effect/Layer"

/** What is said is kept in PostgreSQL, and presence passes through its notifications. */
export const layer = Layer.merge(PostgresLogStore.layerFrom(), PostgresBroker.layerFrom()).pipe(
  Layer.provide(Postgres.layer({ url: process.env["HEDDLE_POSTGRES_URL"] ?? "postgres://localhost/postgres" }))
)
