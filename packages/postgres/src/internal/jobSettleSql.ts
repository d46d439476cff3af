import { planned } from "./jobLookSql.ts"
import { columnSql, startsSql, totalSql } from "./jobWords.ts"

const columns = ["q", "id", "token", "kind", "delay", "cause", "failed", "result"]
const column = (name: string, type?: string): string => columnSql(columns, name, type)

/**
 * Ends claims, and answers a letter for each: `C` completed, `R` retried, `D` dead, `H` handed back, `L` the claim was over. Their
 * errors are the first half of the blobs and their results the second; `failed` and `result` say where there is one, and without any
 * there are no blobs. Cancels a job: the token of its claim, 0 if it waited, -1 if there is none.
 *
 * Those that are completed and need not be known go with one statement, which looks each up by its id, whatever the planner has
 * learned of the table. Whom somebody changes at that moment it leaves to the others.
 */
export const jobSettleSql = (s: string, clock: string, channel: string): string => `
create or replace function ${s}.job_settle_1(words text[], blobs bytea[]) returns text language plpgsql ${planned} as $settle$
declare
  micros int8 := ${clock};
  total int4 := ${totalSql};
  starts int4[] := ${startsSql(columns)};
  queues text[] := ${column("q")};
  ids text[] := ${column("id")};
  tokens int8[] := ${column("token", "int8")};
  kinds text[] := ${column("kind")};
  gone int4[];
  told text := '';
  j record;
  g record;
begin
  with done as (
    delete from ${s}.job d using (
      select l.place, u.i from unnest(queues, ids, tokens, kinds) with ordinality u(q, id, token, kind, i), lateral (
        select o.ctid as place from ${s}.job o where o.queue = u.q and o.id = u.id and o.token = u.token
          and o.state::text = 'c' and o.until + 0 > micros and o.keep = 0 and not o.followed and o.key is null offset 0) l
      where u.kind = 'C'
    ) f where d.ctid = f.place returning f.i
  )
  select coalesce(array_agg(i), '{}') into gone from done;
  if cardinality(gone) = total then return repeat('C', total); end if;
  for g in select u.*, i = any(gone) as over
    from unnest(queues, ids, tokens, kinds, ${
  ["delay", "cause", "failed", "result"].map((name) => column(name)).join(", ")
}) with ordinality u(${columns.join(", ")}, i)
  loop
    if g.over then
      told := told || 'C';
      continue;
    end if;
    select o.seq, o.attempts, o.most into j from ${s}.job o where o.queue = g.q and o.id = g.id
      and o.token = g.token and o.state::text = 'c' and o.until + 0 > micros for update;
    if not found then
      told := told || 'L';
      continue;
    end if;
    if g.kind = 'R' and j.attempts >= j.most then g.kind := 'D'; end if;
    if g.kind = 'C' then
      perform ${s}.job_end_1(j.seq, 'C', case when g.result = '1' then blobs[total + g.i] end, micros, '${channel}');
    elsif g.kind = 'D' then
      perform ${s}.job_die_1(j.seq, g.cause, case when g.failed = '1' then blobs[g.i] end, '${channel}');
    elsif g.kind = 'R' then
      update ${s}.job o set state = case when g.delay::int8 > 0 then 'l' else 'w' end::"char", ready = micros + g.delay::int8,
        owner = null where o.seq = j.seq;
      perform nextval('${s}.job_turn');
    else
      perform nextval('${s}.job_turn');
      update ${s}.job o set state = 'w', attempts = o.attempts - 1, owner = null where o.seq = j.seq;
    end if;
    told := told || g.kind;
  end loop;
  -- Whoever waits may get what went back, or the next of a key.
  perform pg_notify('${channel}', json_build_array('w', d.q)::text) from (select distinct u.q
    from unnest(queues) with ordinality u(q, i) where substr(told, i::int4, 1) <> 'L') d;
  return told;
end $settle$;

create or replace function ${s}.job_cancel_1(q text, which text) returns int8 language plpgsql ${planned} as $cancel$
declare
  micros int8 := ${clock};
  j record;
begin
  perform ${s}.job_sweep_1(q, micros, '${channel}');
  select o.seq, case when o.state = 'c' then o.token else 0 end as token into j from ${s}.job o
    where o.queue = q and o.id = which and o.state in ('l', 'w', 'c') for update;
  if not found then return -1; end if;
  perform ${s}.job_end_1(j.seq, 'X', null, micros, '${channel}');
  perform pg_notify('${channel}', json_build_array('w', q)::text);
  return j.token;
end $cancel$`
