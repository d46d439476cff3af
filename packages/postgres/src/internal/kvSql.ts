import type { Needs } from "./ensureTables.ts"
import { kvVersion } from "./kvOpSql.ts"
import { kvEndSql, kvStepSql } from "./kvStepSql.ts"
import { quoted, schemaSql, serverClock } from "./leaseSql.ts"

/** The tables that the store writes. */
export const kvTables = ["kv", "kv_lease", "kv_log"]

const busy = "with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)"

/**
 * Makes what the key-value store needs, in one statement, if it is not there: in a schema of its own three tables, and the
 * functions that carry out operations (`kvStepSql`).
 *
 * - `kv`: the entries. An index takes no more than 2,700 bytes of a key, and a key may have 3,072: it has the first 640
 *   characters, and what follows is compared in the table.
 * - `kv_lease`: the leases. `own` is that of one key with a ttl, and goes with it.
 * - `kv_log`: what the last commits changed, a row a key; a row without a value deleted its key. `place` counts the commits,
 *   `before` is the revision before this one. A row without a key changes nothing: it says that what came before is not kept.
 *   The last row is never removed, and is the store's revision.
 *
 * All times are microseconds since 1970.
 */
export const kvSql = (schema: string, clock = serverClock): string => {
  const s = quoted(schema)
  return `
do $do$
begin
  ${schemaSql(schema)}
  create table if not exists ${s}.kv (key text collate "C" not null, value bytea not null, revision int8 not null,
    created int8 not null, lease int8) ${busy};
  create table if not exists ${s}.kv_lease (id int8 primary key, until int8 not null, own bool not null) ${busy};
  create table if not exists ${s}.kv_log (revision int8 not null, place int8 not null, before int8 not null,
    key text collate "C", value bytea, created int8) ${busy};
  create index if not exists kv_key on ${s}.kv (left(key, 640));
  create index if not exists kv_bound on ${s}.kv (lease) where lease is not null;
  create index if not exists kv_lease_until on ${s}.kv_lease (until);
  create index if not exists kv_log_revision on ${s}.kv_log (revision);
  ${kvEndSql(s)};
  ${kvStepSql(schema, clock)};
end $do$`
}

/** What the store needs in the database. */
export const kvNeeds = (schema: string): Needs => ({
  schema,
  functions: [`kv_step_${kvVersion}(int4, int4, bool, text[], bytea[])`, `kv_end_${kvVersion}(int8, int8)`],
  tables: kvTables,
  sql: kvSql(schema)
})
