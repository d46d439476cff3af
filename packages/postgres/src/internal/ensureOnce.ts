import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { quoted } from "./leaseSql.ts"

/** The tables that have been seen, by client. */
const seen = new WeakMap<SqlClient, Set<string>>()

/** Makes a table of a schema on the app's own connection where it is missing, and looks only until it has been seen. */
export const ensureOnce = (
  sql: SqlClient,
  schema: string,
  table: string,
  make: (schema: string) => string
): Effect.Effect<void, SqlError> =>
  Effect.suspend(() => {
    const known = seen.get(sql) ?? new Set<string>()
    const name = `${quoted(schema)}.${table}`
    if (known.has(name)) return Effect.void
    seen.set(sql, known)
    return Effect.gen(function*() {
      const [row] = yield* sql.unsafe("select to_regclass($1) is not null", [name]).values
      // What is made here may be rolled back with the app's transaction.
      if (row?.[0] === true) known.add(name)
      else yield* sql.unsafe(make(schema))
    })
  })
