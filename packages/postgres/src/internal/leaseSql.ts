import { version } from "./leaseOpSql.ts"
import { leaseStepSql, lockSeed } from "./leaseStepSql.ts"

/** An identifier, quoted. */
export const quoted = (name: string): string => `"${name.replaceAll("\"", "\"\"")}"`

/** A text, quoted. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** Makes the schema if it is not there. Of those that make what they need in it at the same time one waits for the other. */
export const schemaSql = (schema: string): string =>
  `perform pg_advisory_xact_lock(hashtextextended(${literal(schema)}, 5));
  if to_regnamespace(${literal(quoted(schema))}) is null then
    create schema ${quoted(schema)};
  end if;`

/** The tables that the store writes. */
export const tables = ["lease", "lease_holder", "lease_waiter", "lease_gone", "lease_watch"]

/** The server's time in microseconds since 1970. */
export const serverClock = "(extract(epoch from clock_timestamp()) * 1000000)::bigint"

/**
 * Makes what the lease store needs, in one statement, if it is not there: in a schema of its own five tables, the function
 * that carries out operations (`leaseStepSql`), and one that removes what nobody needs any more.
 *
 * - `lease`: a resource that somebody holds, waits for, watches or has resized. It has the sums, so that most steps look at
 *   nothing else. `ends` is no later than the first end of a holder, `head` no later than the first place in line.
 * - `lease_holder`, `lease_waiter`: who holds, who waits.
 * - `lease_gone`: claims that were withdrawn before they came. `lease_watch`: who is told of changes.
 *
 * All times are microseconds since 1970. Rows live shortly: half of a page stays free for their next versions, and the
 * tables are vacuumed by the number of dead rows.
 */
export const leaseSql = (schema: string, clock = serverClock): string => {
  const s = quoted(schema)
  return `
do $do$
declare
  short constant text := 'with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)';
begin
  ${schemaSql(schema)}
  execute 'create table if not exists ${s}.lease (key text collate "C" primary key, size int4 not null, named int4 not null,
    token int8 not null, used int8 not null, held int4 not null, waiting int4 not null, place int8 not null, head int8 not null,
    ends int8 not null, gone int8 not null, watched int8 not null,
    id text collate "C", owner text, value text, permits int4, granted int8, since int8, until int8) ' || short;
  execute 'create table if not exists ${s}.lease_holder (key text collate "C", id text collate "C", owner text not null,
    value text not null, permits int4 not null, token int8 not null, since int8 not null, until int8 not null,
    primary key (key, id)) ' || short;
  execute 'create table if not exists ${s}.lease_waiter (key text collate "C", place int8, id text collate "C" not null,
    session text not null, owner text not null, value text not null, permits int4 not null, tokens int4 not null,
    ttl int8 not null, patience int8 not null, since int8 not null, until int8 not null,
    primary key (key, place), unique (key, id)) ' || short;
  execute 'create table if not exists ${s}.lease_gone (key text collate "C", id text collate "C", until int8 not null,
    primary key (key, id)) ' || short;
  execute 'create table if not exists ${s}.lease_watch (key text collate "C", session text collate "C", until int8 not null,
    primary key (key, session)) ' || short;
  ${leaseLookSql(s)};
  ${leaseStepSql(s, clock)};
  ${leaseSweepSql(s, clock)};
end $do$`
}

/** Removes resources of which nothing is left but rows of those that died. Passes over those that are in use. */
const leaseSweepSql = (s: string, clock: string): string => `
create or replace function ${s}.lease_sweep_${version}() returns void language plpgsql as $sweep$
declare
  found_key text;
  micros int8 := ${clock};
begin
  for found_key in
    select l.key from ${s}.lease l
    where l.size = l.named and greatest(l.token, l.gone, l.watched) < micros
      and coalesce(l.until, 0) <= micros
      and not exists (select from ${s}.lease_holder h where h.key = l.key and h.until > micros)
      and not exists (select from ${s}.lease_waiter w where w.key = l.key and w.until > micros)
    limit 1000
  loop
    continue when not pg_try_advisory_xact_lock(hashtextextended(found_key, ${lockSeed}));
    delete from ${s}.lease l where l.key = found_key
      and l.size = l.named and greatest(l.token, l.gone, l.watched) < micros
      and coalesce(l.until, 0) <= micros
      and not exists (select from ${s}.lease_holder h where h.key = l.key and h.until > micros)
      and not exists (select from ${s}.lease_waiter w where w.key = l.key and w.until > micros);
    continue when not found;
    delete from ${s}.lease_holder h where h.key = found_key;
    delete from ${s}.lease_waiter w where w.key = found_key;
    delete from ${s}.lease_gone g where g.key = found_key;
    delete from ${s}.lease_watch v where v.key = found_key;
  end loop;
end $sweep$`

/** Who holds and who waits, as JSON: the limit, after how many ms one of them may end by itself, the holders, the waiters. */
const leaseLookSql = (s: string): string => `
create or replace function ${s}.lease_look_${version}(r ${s}.lease, micros int8) returns text language sql as $look$
  with holder as (
    select h.id, h.owner, h.value, h.permits, h.token, h.since, h.until from ${s}.lease_holder h
      where h.key = r.key and h.until > micros
    union all
    select r.id, r.owner, r.value, r.permits, r.granted, r.since, r.until where r.id is not null and r.until > micros
  ), waiter as (
    select * from ${s}.lease_waiter q where q.key = r.key and q.until > micros
  )
  select json_build_array(
    case when exists (select from holder) or exists (select from waiter) or r.size <> r.named then r.size end,
    round((least((select min(h.until) from holder h), (select min(q.until) from waiter q)) - micros) / 1000.0, 3),
    coalesce((select json_agg(json_build_array(h.id, h.owner, h.value, h.permits, h.token::text,
      round((micros - h.since) / 1000.0, 3)) order by h.token) from holder h), '[]'),
    coalesce((select json_agg(json_build_array(q.id, q.owner, q.permits, round((micros - q.since) / 1000.0, 3))
      order by q.place) from waiter q), '[]')
  )::text
$look$`
