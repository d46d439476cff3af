import { Postgres, PostgresKvStore, PostgresLeaseStore } from "@heddle/postgres"
import * as Layer from "effect/Layer"

/** Who leads, and the last tick, live in a PostgreSQL database. Both stores share one session for their statements. */
export const layer = (url: string) =>
  Layer.merge(PostgresLeaseStore.layerFrom(), PostgresKvStore.layerFrom()).pipe(Layer.provide(Postgres.layer({ url })))
