import { createHash } from "node:crypto"
import { kvOpSql, kvVersion } from "./kvOpSql.ts"
import { literal, quoted } from "./leaseSql.ts"

/** Told apart from the keys of other advisory locks on the same text. */
export const kvLockSeed = 7_236_838

/** The channel that commits are notified on. A name may have 63 bytes, and so may that of the schema. */
export const kvChannel = (schema: string): string =>
  `heddle_kv_${createHash("sha256").update(schema).digest("hex").slice(0, 32)}`

/** How many keys a notification names at most, and how many bytes it has; the server takes less than 8,000. */
const told = 32
const longest = 7900

/** After how many commits the log is trimmed, at most, and by how many rows: twice as many as they can have written. */
const often = 256
const most = 50_000

/**
 * The function that carries out operations. It says in SQL what `KvMachine` says: the property test runs both side by side.
 *
 * Arguments: how many commits to keep for who watches, how long to wait for the lock (ms), whether an operation may write, and
 * the operations as `kvOps` encodes them. Answers rows of an operation's number and what it found; that of number 0 says in how
 * many milliseconds the next lease ends (-1: there is none).
 *
 * Who writes, or finds a lease that is over, locks the whole store until the transaction ends. So revisions grow in the order
 * of commits: nobody who saw one can be shown an earlier one later. Who only reads locks nothing; what must be of one revision
 * is read by one statement.
 *
 * Plans must stay good when tables grow, so none is scanned or sorted. What has to be all the same counts as so dear that the
 * server would compile the plan, which takes a second: hence `jit = off`.
 *
 * A revision is no less than the time, so that it grows also when the newest are lost with a failover, or all with the data.
 */
export const kvStepSql = (schema: string, clock: string): string => {
  const s = quoted(schema)
  return `
create or replace function ${s}.kv_step_${kvVersion}(kept int4, patience int4, writing bool, words text[], blobs bytea[])
returns table (op int4, kind text, name text, bytes bytea, stamp int8, made int8)
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
set plan_cache_mode = force_generic_plan set jit = off as $step$
declare
  micros int8 := ${clock};
  due int8;
  began int8;
  newest int8;
  first_place int8;
  last_place int8;
  following int8;
  issued int8 := 0;
  ended int8;
  locked bool;
  known bool;
  changed bool;
  refused text;
  asked text;
  actual int8;
  bound int8;
  first_at int8;
  seen int8;
  upto int8;
  cut int8;
  every int8;
  total int4;
  blob int4 := 0;
  at int4 := 1;
  news text;
begin
  if pg_is_in_recovery() then
    raise exception 'a standby may be behind' using errcode = '25006';
  end if;
  select (select min(l.until) from ${s}.kv_lease l), (select max(g.revision) from ${s}.kv_log g) into due, newest;
  locked := writing or newest is null or due <= micros;
  if locked then
    perform set_config('lock_timeout', patience || 'ms', true);
    perform pg_advisory_xact_lock(hashtextextended(${literal(schema)}, ${kvLockSeed}));
    micros := ${clock};
    select g.revision, g.place into began, first_place from ${s}.kv_log g order by g.revision desc limit 1;
    if began is null then
      began := greatest(micros, (select max(k.revision) + 1 from ${s}.kv k));
      first_place := 0;
      insert into ${s}.kv_log values (began, 0, began, null, null, null);
    end if;
    for ended in select l.id from ${s}.kv_lease l where l.until <= micros order by l.id loop
      perform ${s}.kv_end_${kvVersion}(ended, micros);
    end loop;
  end if;

  op := 0;
  while at <= cardinality(words) loop
    op := op + 1;
    kind := null;
    name := null;
    bytes := null;
    stamp := null;
    made := null;
    case words[at]
${kvOpSql(s)}
    end case;
  end loop;

  if locked then
    select (select min(l.until) from ${s}.kv_lease l), (select max(g.revision) from ${s}.kv_log g) into due, newest;
  end if;
  op := 0;
  kind := 'T';
  name := null;
  bytes := null;
  stamp := case when due is null then -1 else greatest(0, (due - micros + 999) / 1000) end;
  made := null;
  return next;

  if newest > began then
    select count(*), case when count(*) <= ${told} then json_agg(g.key)::text end
      into total, news from ${s}.kv_log g where g.revision > began;
    news := format('["%s","%s",%s,%s]', began, newest, stamp, coalesce(news, '[]'));
    if octet_length(news) > ${longest} then
      news := format('["%s","%s",%s,[]]', began, newest, stamp);
    end if;
    perform pg_notify(${literal(kvChannel(schema))}, news);
    select g.place into last_place from ${s}.kv_log g order by g.revision desc limit 1;
    -- Once in a while only: where the log begins, rows may lie in the way that are removed and not gone yet.
    every := greatest(1, least(${often}, kept / 8));
    if last_place / every > first_place / every then
      cut := null;
      for following, actual in select g.revision, g.place from ${s}.kv_log g order by g.revision limit ${most} loop
        exit when actual > last_place - kept;
        cut := following;
      end loop;
      delete from ${s}.kv_log g where g.revision <= cut;
    end if;
  end if;
end $step$`
}

/** Ends a lease, and deletes what is bound to it, at one revision. */
export const kvEndSql = (s: string): string => `
create or replace function ${s}.kv_end_${kvVersion}(ended int8, micros int8) returns void language plpgsql as $end$
begin
  delete from ${s}.kv_lease l where l.id = ended;
  with gone as (
    delete from ${s}.kv k where k.lease = ended returning k.key
  ), latest as (
    select g.revision, g.place from ${s}.kv_log g order by g.revision desc limit 1
  )
  insert into ${s}.kv_log
    select greatest(latest.revision + 1, micros), latest.place + 1, latest.revision, gone.key, null, null from gone, latest;
end $end$`
