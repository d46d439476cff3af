import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import { Lease } from "heddle/coordination"
import type { Postgres } from "../Postgres.ts"
import { advisorySql, namesOf, prune } from "./advisorySql.ts"

/** Makes what the advisory store needs where it is missing, and looks whether the user may use it. */
export const ensureAdvisorySchema = (
  postgres: Postgres["Service"],
  schema: string
): Effect.Effect<void, Lease.StoreUnavailable> =>
  Effect.gen(function*() {
    const { fence, keys } = namesOf(schema)
    const [found = []] = yield* postgres.run("select to_regclass($1) is not null and to_regclass($2) is not null", [
      fence,
      keys
    ])
    if (found[0] !== true) yield* postgres.run(advisorySql(schema))
    const [allowed = []] = yield* postgres.run(
      `select has_sequence_privilege($1, 'usage') and bool_and(has_table_privilege($2, p)) from unnest($3::text[]) p`,
      [fence, keys, ["select", "insert", "update", "delete"]]
    )
    if (allowed[0] !== true) yield* Effect.fail(denied(schema))
    yield* postgres.run(prune(namesOf(schema)))
  }).pipe(Effect.catchTag("SqlError", (error: SqlError) => Effect.fail(postgres.failure(error))))

const denied = (schema: string): Lease.StoreUnavailable =>
  new Lease.StoreUnavailable({
    backend: "postgres",
    message:
      `PostgreSQL does not let this user draw tokens in the schema ${schema}: grant usage on it and on its sequence `
      + "advisory_fence, and select, insert, update, delete on its table advisory_key"
  })
