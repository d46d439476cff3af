import { createHash } from "node:crypto"
import type { Needs } from "./ensureTables.ts"
import { quoted, schemaSql, serverClock } from "./leaseSql.ts"

/** The tables that the store writes. */
const logTables = ["log", "log_entry", "log_consumer"]

/** The channel that appends are notified on, each with the name of its log. */
export const logChannel = (schema: string): string =>
  `heddle_log_${createHash("sha256").update(schema).digest("hex").slice(0, 32)}`

/**
 * Makes what the store of logs needs, in one statement, if it is not there: in a schema of its own three tables.
 *
 * - `log`: a row a log, which whoever appends locks until his transaction has ended. `last` is the offset of the last entry, `appended`
 *   how many there were, `trimmed` the greatest offset that is gone.
 * - `log_entry`: the entries.
 * - `log_consumer`: the consumers, with their tokens and positions.
 */
export const logSql = (schema: string): string => {
  const s = quoted(schema)
  return `
do $do$
begin
  ${schemaSql(schema)}
  create table if not exists ${s}.log (name text collate "C" primary key, last int8 not null, appended int8 not null,
    trimmed int8 not null) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
  create table if not exists ${s}.log_entry (log text collate "C", place int8, headers text not null, payload bytea not null,
    primary key (log, place));
  create table if not exists ${s}.log_consumer (log text collate "C", name text collate "C", token int8 not null, position int8,
    primary key (log, name)) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
end $do$`
}

/** What the store needs in the database. */
export const logNeeds = (schema: string): Needs => ({
  schema,
  functions: [],
  tables: logTables,
  sql: logSql(schema)
})

/** The statements of a store, with their arguments in the comments; all are texts but where it says so. */
export const logStatements = (schema: string) => {
  const s = quoted(schema)
  const end = `coalesce((select g.last + 1 from ${s}.log g where g.name = $1), 1)`
  return {
    /**
     * Log, how many, headers (array), payloads (array of bytes), how many to keep or null, microseconds to keep or null, channel. Answers
     * the last offset.
     *
     * Entries that are beyond a bound at the instant of the statement are removed: those older than the time with each append, those
     * beyond the count with each tenth of it, for they have to be counted.
     */
    append: `
with g as (
  insert into ${s}.log as g (name, last, appended, trimmed) values ($1, ${serverClock} + $2::int8 - 1, $2::int8, 0)
  on conflict (name) do update set
    last = greatest(g.last + 1, ${serverClock}) + $2::int8 - 1,
    appended = g.appended + $2::int8,
    trimmed = greatest(g.trimmed,
      case when $6::int8 is not null then (select e.place from ${s}.log_entry e
        where e.log = $1 and e.place <= ${serverClock} - $6::int8 order by e.place desc limit 1) end,
      case when $5::int8 is not null and (g.appended + $2::int8) / greatest($5::int8 / 10, 1) > g.appended / greatest($5::int8 / 10, 1)
        then (select e.place from ${s}.log_entry e where e.log = $1 order by e.place desc offset $5::int8 limit 1) end)
  returning g.last, g.trimmed
), added as (
  insert into ${s}.log_entry (log, place, headers, payload)
  select $1, g.last - $2::int8 + t.at, t.headers, t.payload
  from g, unnest($3::text[], $4::bytea[]) with ordinality as t(headers, payload, at)
), removed as (
  delete from ${s}.log_entry e using g where e.log = $1 and e.place <= g.trimmed
)
select g.last, pg_notify($7, $1) from g`,
    /** Log, from which offset on. Answers rows of `trimmed`, offset, headers, payload: one without an entry where there is none. */
    page: `
select coalesce(g.trimmed, 0), e.place, e.headers, e.payload
from (select 1) one
left join ${s}.log g on g.name = $1
left join lateral (
  select p.place, p.headers, p.payload from (
    select n.place, n.headers, n.payload, sum(octet_length(n.payload)) over (order by n.place) - octet_length(n.payload) as before
    from (select * from ${s}.log_entry a where a.log = $1 and a.place >= $2::int8 order by a.place limit 500) n
  ) p where p.before < 1000000
) e on true
order by e.place`,
    /** Log. This one and the next three answer an offset, and the one after the last. */
    oldest: `select coalesce((select min(e.place) from ${s}.log_entry e where e.log = $1), ${end}), ${end}`,
    end: `select ${end}, ${end}`,
    /** Log, microseconds since 1970. */
    time: `select least($2::int8, ${end}), ${end}`,
    /** Log, how many. */
    last: `select coalesce((select min(n.place) from (select e.place from ${s}.log_entry e where e.log = $1
  order by e.place desc limit $2::int8) n), ${end}), ${end}`,
    /** Log, consumer. Answers the token and the position or null. */
    attach: `
insert into ${s}.log_consumer as c (log, name, token) values ($1, $2, ${serverClock})
on conflict (log, name) do update set token = greatest(c.token + 1, ${serverClock})
returning c.token, c.position`,
    /** Log, consumer, token, offset. Answers a row if it was made. */
    commit: `
update ${s}.log_consumer c set position = greatest(c.position, $4::int8)
where c.log = $1 and c.name = $2 and c.token = $3::int8
returning 1`,
    /** Log, consumer. */
    position: `select c.position from ${s}.log_consumer c where c.log = $1 and c.name = $2`
  }
}
