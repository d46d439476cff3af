import { keyLock, planned, unfinished } from "./jobLookSql.ts"
import { columnSql, startsSql, totalSql } from "./jobWords.ts"

const columns = ["q", "id", "k", "headers", "priority", "delay", "most", "keep"]
const types = new Map([["priority", "int2"], ["delay", "int8"], ["most", "int4"], ["keep", "int8"]])
const column = (name: string): string => columnSql(columns, name, types.get(name))
const kept = new Map([["q", "queues"], ["id", "ids"], ["k", "keys"], ["priority", "priorities"]])
const given = columns.map((name) => kept.get(name) ?? column(name)).join(", ")

/**
 * Adds jobs of any queues, in order, and answers a digit for each: 1 where it was added, 0 where its id is known. Makes dead letters
 * wait again. Removes those that wait, or the dead letters.
 *
 * Who comes to a key's line holds the key's lock until the commit, in one order for all keys of a call, so that of two who come at
 * once the one who commits later stands behind the other.
 */
export const jobEnqueueSql = (s: string, clock: string, channel: string): string => `
create or replace function ${s}.job_enqueue_1(words text[], blobs bytea[]) returns text language plpgsql ${planned} as $enqueue$
declare
  micros int8 := ${clock};
  total int4 := ${totalSql};
  starts int4[] := ${startsSql(columns)};
  queues text[] := ${column("q")};
  ids text[] := ${column("id")};
  keys text[] := ${column("k")};
  priorities int2[] := ${column("priority")};
  keyed bool := false;
  added_queues text[];
  added_ids text[];
begin
  perform ${s}.job_sweep_1(d.q, micros, '${channel}') from (select distinct q from unnest(queues) q) d;
  select bool_or(k <> '') into keyed from unnest(keys) k;
  if keyed then
    perform pg_advisory_xact_lock(d.lock) from (select distinct ${keyLock("u.q", "u.k")} lock
      from unnest(queues, keys) u(q, k) where u.k <> '' order by 1) d;
  end if;
  with added as (
    insert into ${s}.job (queue, id, key, first, state, priority, ready, enqueued, attempts, most, keep, token, until, followed,
      payload, headers)
    select g.q, g.id, nullif(g.k, ''), g.k = '', case when g.delay > 0 then 'l' else 'w' end::"char", g.priority,
      micros + g.delay, micros, 0, g.most, g.keep, 0, 0, false, g.payload, g.headers
    from unnest(${given}, blobs) g(${columns.join(", ")}, payload)
    on conflict (queue, id) do nothing returning queue, id
  )
  select array_agg(a.queue), array_agg(a.id) into added_queues, added_ids from added a;
  if keyed or exists (select from unnest(priorities) p where p > 0) then
    perform nextval('${s}.job_turn');
  end if;
  if keyed then
    update ${s}.job j set first = true from (select distinct u.q, u.k from unnest(queues, keys) u(q, k)
      where u.k <> '') d where not j.first and j.seq = (select o.seq from ${s}.job o
        where o.queue = d.q and o.key = d.k and o.state in ${unfinished} order by o.seq limit 1);
  end if;
  perform pg_notify('${channel}', json_build_array('w', q)::text) from (select distinct u from unnest(added_queues) u) d(q);
  if cardinality(added_ids) = total then return repeat('1', total); end if;
  -- Of those that came with one id only the first was added.
  return (select string_agg(case when g.nth = 1 and a.id is not null then '1' else '0' end, '' order by g.i) from (
    select u.*, row_number() over (partition by u.q, u.id order by u.i) nth
    from unnest(queues, ids) with ordinality u(q, id, i)
  ) g left join unnest(added_queues, added_ids) a(q, id) on a.q = g.q and a.id = g.id);
end $enqueue$;

create or replace function ${s}.job_redrive_1(q text, ids text[]) returns int8 language plpgsql ${planned} as $redrive$
declare
  micros int8 := ${clock};
  j record;
  total int8 := 0;
begin
  perform ${s}.job_sweep_1(q, micros, '${channel}');
  for j in select o.seq, o.key from ${s}.job o where o.queue = q and o.state = 'd' and (ids is null or o.id = any(ids))
    order by o.token for update
  loop
    if j.key is not null then perform pg_advisory_xact_lock(${keyLock("q", "j.key")}); end if;
    update ${s}.job o set seq = default, state = 'w', attempts = 0, cause = null, error = null, ready = micros,
      first = j.key is null where o.seq = j.seq;
    perform ${s}.job_leave_1(q, j.key);
    total := total + 1;
  end loop;
  perform nextval('${s}.job_turn');
  if total > 0 then perform pg_notify('${channel}', json_build_array('w', q)::text); end if;
  return total;
end $redrive$;

create or replace function ${s}.job_purge_1(q text, what text) returns int8 language plpgsql ${planned} as $purge$
declare
  micros int8 := ${clock};
  j record;
  left_keys text[] := '{}';
  k text;
  total int8 := 0;
begin
  perform ${s}.job_sweep_1(q, micros, '${channel}');
  for j in delete from ${s}.job o where o.queue = q
    and (case when what = 'dead' then o.state = 'd' else o.state in ('l', 'w') end) returning o.id, o.key, o.followed
  loop
    if j.followed then perform pg_notify('${channel}', json_build_array('f', q, j.id)::text); end if;
    if j.key is not null then left_keys := left_keys || j.key; end if;
    total := total + 1;
  end loop;
  for k in select distinct u from unnest(left_keys) u order by 1 loop
    perform ${s}.job_leave_1(q, k);
  end loop;
  return total;
end $purge$`
