import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import { Lease } from "heddle/coordination"
import type { Postgres } from "../Postgres.ts"
import { version } from "./leaseOpSql.ts"
import { leaseSql, quoted, tables } from "./leaseSql.ts"

/** Makes what the lease store needs where it is missing, and looks whether the user may use it. */
export const ensureLeaseSchema = (
  postgres: Postgres["Service"],
  schema: string
): Effect.Effect<void, Lease.StoreUnavailable> =>
  Effect.gen(function*() {
    const [found = []] = yield* postgres.run(
      "select to_regprocedure($1) is not null and to_regprocedure($2) is not null",
      [
        `${quoted(schema)}.lease_step_${version}(text, text, int8, text, text[], text[], int8[], int4[], text[])`,
        `${quoted(schema)}.lease_sweep_${version}()`
      ]
    )
    if (found[0] !== true) yield* postgres.run(leaseSql(schema))
    const [allowed = []] = yield* postgres.run(
      `select bool_and(has_table_privilege(format('%I.%I', $1::text, t), p)) from unnest($2::text[]) t, unnest($3::text[]) p`,
      [schema, tables, ["select", "insert", "update", "delete"]]
    )
    if (allowed[0] !== true) yield* Effect.fail(denied(schema))
  }).pipe(Effect.catchTag("SqlError", (error: SqlError) => Effect.fail(postgres.failure(error))))

const denied = (schema: string): Lease.StoreUnavailable =>
  new Lease.StoreUnavailable({
    backend: "postgres",
    message: `PostgreSQL does not let this user write the tables of the schema ${schema}: `
      + `grant usage on it, and select, insert, update, delete on all its tables`
  })
