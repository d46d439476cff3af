import { createHash } from "node:crypto"
import type { Needs } from "./ensureTables.ts"
import { quoted, schemaSql } from "./leaseSql.ts"

/** The channel that a commit with rows is notified on. */
export const outboxChannel = (schema: string): string =>
  `heddle_outbox_${createHash("sha256").update(schema).digest("hex").slice(0, 32)}`

/**
 * Makes the table, if it is not there. `xid`: the transaction that wrote the row; `refused`: why it cannot be read, of a row that was
 * set aside.
 */
export const outboxSql = (schema: string): string => {
  const s = quoted(schema)
  return `
do $do$
begin
  ${schemaSql(schema)}
  create table if not exists ${s}.outbox (
    seq int8 generated always as identity primary key, id uuid not null default gen_random_uuid(), name text collate "C" not null,
    payload text not null, at timestamptz not null default now(), xid xid8 not null default pg_current_xact_id(), refused text
  ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
  create index if not exists outbox_next on ${s}.outbox (name, seq) where refused is null;
end $do$`
}

export const outboxNeeds = (schema: string): Needs => ({
  schema,
  functions: [],
  tables: ["outbox"],
  sql: outboxSql(schema)
})

/** $1: the name, $2: the payloads. */
export const addSql = (schema: string): string => `
with added as (
  insert into ${
  quoted(schema)
}.outbox (name, payload) select $1, p from unnest($2::text[]) with ordinality u (p, at) order by at
)
select pg_notify('${outboxChannel(schema)}', $1)`

/**
 * The next rows, in the order in which they were added, and whether each may go: not while a transaction runs that began to write before
 * its own did. $1: the name, $2: how many.
 *
 * Who sends stops at the first that may not. Then a row that comes to light later never belongs before one that was sent: whoever saw its
 * commit added behind it, and would have had to wait for the same transaction.
 */
export const nextSql = (schema: string): string => `
select o.seq::text, o.id::text, o.payload, o.xid < pg_snapshot_xmin(pg_current_snapshot()) from ${
  quoted(schema)
}.outbox o
where o.name = $1 and o.refused is null order by o.seq limit $2::int4`

/** $1: the rows. */
export const removeSql = (schema: string): string =>
  `delete from ${quoted(schema)}.outbox where seq = any($1::text[]::int8[])`

/** $1: the row, $2: why. */
export const refuseSql = (schema: string): string =>
  `update ${quoted(schema)}.outbox set refused = $2 where seq = $1::int8`

/** Whether this session is the one that moves the rows of a name, until it ends. $1: schema and name. */
export const leadSql = "select pg_try_advisory_lock(hashtextextended($1, 7236841))"
