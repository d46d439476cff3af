import { planned } from "./jobLookSql.ts"

/**
 * What is read of jobs, after what is due has happened; and what changes none: the extension of claims, a report, a pause.
 */
export const jobReadSql = (s: string, clock: string, channel: string): string => `
create or replace function ${s}.job_extend_1(queues text[], ids text[], tokens int8[], ttls int8[]) returns setof int8
language plpgsql ${planned} as $extend$
declare
  micros int8 := ${clock};
  g record;
begin
  -- One by one: together, a planner that knows the table as small would read what all others have claimed.
  for g in select * from unnest(queues, ids, tokens, ttls) with ordinality u(queue, id, token, ttl, at) loop
    update ${s}.job j set until = micros + g.ttl where j.queue = g.queue and j.id = g.id and j.token = g.token
      and j.state::text = 'c' and j.until + 0 > micros;
    if found then return next g.at; end if;
  end loop;
end $extend$;

create or replace function ${s}.job_dead_1(q text, most_letters int4)
returns table (id text, key text, payload bytea, headers text, attempts int4, cause text, error bytea)
language plpgsql ${planned} as $dead$
begin
  perform ${s}.job_sweep_1(q, ${clock}, '${channel}');
  return query select o.id, o.key, o.payload, o.headers, o.attempts, o.cause, o.error from ${s}.job o
    where o.queue = q and o.state = 'd' order by o.token limit most_letters;
end $dead$;

create or replace function ${s}.job_inspect_1(q text, which text)
returns table (id text, state text, attempts int4, key text, owner text) language plpgsql ${planned} as $inspect$
declare
  micros int8 := ${clock};
begin
  perform ${s}.job_sweep_1(q, micros, '${channel}');
  return query select o.id, case when o.state = 'l' and o.ready <= micros then 'w' else o.state::text end, o.attempts, o.key, o.owner
    from ${s}.job o where o.queue = q and o.id = which;
end $inspect$;

create or replace function ${s}.job_stats_1(q text)
returns table (waiting int8, delayed int8, claimed int8, dead int8, paused bool) language plpgsql ${planned} as $stats$
declare
  micros int8 := ${clock};
begin
  perform ${s}.job_sweep_1(q, micros, '${channel}');
  return query select
    count(*) filter (where o.state = 'w' or (o.state = 'l' and o.ready <= micros)),
    count(*) filter (where o.state = 'l' and o.ready > micros),
    count(*) filter (where o.state = 'c'), count(*) filter (where o.state = 'd'),
    exists (select from ${s}.job_queue p where p.queue = q)
    from ${s}.job o where o.queue = q;
end $stats$;

create or replace function ${s}.job_pause_1(q text, pause bool) returns void language plpgsql ${planned} as $pause$
begin
  if pause then
    insert into ${s}.job_queue values (q) on conflict do nothing;
  else
    delete from ${s}.job_queue p where p.queue = q;
    perform pg_notify('${channel}', json_build_array('w', q)::text);
  end if;
end $pause$;

create or replace function ${s}.job_report_1(q text, which text, held int8, value bytea) returns bool
language plpgsql ${planned} as $report$
declare
  told bool;
begin
  update ${s}.job o set progress = value where o.queue = q and o.id = which and o.token = held and o.state = 'c'
    and o.until > ${clock} returning o.followed into told;
  if told then perform pg_notify('${channel}', json_build_array('f', q, which)::text); end if;
  return told is not null;
end $report$;

create or replace function ${s}.job_follow_1(q text, which text)
returns table (state text, outcome text, cause text, error bytea, result bytea, progress bytea) language plpgsql ${planned} as $follow$
begin
  perform ${s}.job_sweep_1(q, ${clock}, '${channel}');
  update ${s}.job o set followed = true where o.queue = q and o.id = which and not o.followed;
  return query select o.state::text, o.outcome::text, o.cause, o.error, o.result, o.progress from ${s}.job o
    where o.queue = q and o.id = which;
end $follow$`
