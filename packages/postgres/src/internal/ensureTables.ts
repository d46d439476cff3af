import * as Effect from "effect/Effect"
import { Lease } from "heddle/coordination"
import type { Postgres } from "../Postgres.ts"
import { quoted } from "./leaseSql.ts"

/** What a store needs in the database. */
export interface Needs {
  readonly schema: string
  /** With the types of their arguments. */
  readonly functions: ReadonlyArray<string>
  /** Those that the store writes. */
  readonly tables: ReadonlyArray<string>
  /** Makes all of it where it is missing. */
  readonly sql: string
}

/** Makes what a store needs where it is missing, and looks whether the user may use it. */
export const ensureTables = (
  postgres: Postgres["Service"],
  { functions, schema, sql, tables }: Needs
): Effect.Effect<void, Lease.StoreUnavailable> =>
  Effect.gen(function*() {
    const [found = []] = yield* postgres.run(
      `select coalesce((select bool_and(to_regprocedure(f) is not null) from unnest($1::text[]) f), true)
        and (select bool_and(to_regclass(format('%I.%I', $2::text, t)) is not null) from unnest($3::text[]) t)`,
      [functions.map((name) => `${quoted(schema)}.${name}`), schema, tables]
    )
    if (found[0] !== true) yield* postgres.run(sql)
    const [allowed = []] = yield* postgres.run(
      `select bool_and(has_table_privilege(format('%I.%I', $1::text, t), p)) from unnest($2::text[]) t, unnest($3::text[]) p`,
      [schema, tables, ["select", "insert", "update", "delete"]]
    )
    if (allowed[0] !== true) yield* Effect.fail(denied(schema))
  }).pipe(Effect.catchTag("SqlError", (error) => Effect.fail(postgres.failure(error))))

const denied = (schema: string): Lease.StoreUnavailable =>
  new Lease.StoreUnavailable({
    backend: "postgres",
    message: `PostgreSQL does not let this user write the tables of the schema ${schema}: `
      + `grant usage on it, and select, insert, update, delete on all its tables`
  })
