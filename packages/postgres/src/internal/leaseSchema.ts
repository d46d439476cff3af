import type { Needs } from "./ensureTables.ts"
import { version } from "./leaseOpSql.ts"
import { leaseSql, tables } from "./leaseSql.ts"

/** What the lease store needs in the database. */
export const leaseNeeds = (schema: string): Needs => ({
  schema,
  functions: [
    `lease_step_${version}(text, text, int8, text, text[], text[], int8[], int4[], text[])`,
    `lease_sweep_${version}()`
  ],
  tables,
  sql: leaseSql(schema)
})
