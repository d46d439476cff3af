import { planned } from "./jobLookSql.ts"

/** The order in which jobs go: who could be claimed first, a level of priority being worth a minute, then who came first. */
const order = (j: string): string => `(${j}.ready - ${j}.priority * 60000000), ${j}.seq`

/**
 * Claims up to so many jobs, passing over those that others claim at this moment. The last row says in how many microseconds a claim
 * may get something of which nobody tells (-1: never).
 *
 * What is locked is found again by its place, in a statement of its own, which sees it as it was locked: by its number, a planner that
 * knows the table as empty would read all jobs for it.
 */
export const jobClaimSql = (s: string, clock: string, channel: string): string => `
create or replace function ${s}.job_claim_1(q text, most_jobs int4, ttl int8, who text)
returns table (id text, token int8, attempt int4, most int4, key text, payload bytea, headers text, age int8)
language plpgsql ${planned} as $claim$
declare
  micros int8 := ${clock};
  places tid[];
begin
  perform ${s}.job_sweep_1(q, micros, '${channel}');
  if not exists (select from ${s}.job_queue p where p.queue = q) then
    select array_agg(p.place) into places from (
      select o.ctid place from ${s}.job o where o.queue = q and o.state = 'w' and o.first order by ${order("o")}
      limit most_jobs for update skip locked
    ) p;
    return query with taken as (
      update ${s}.job o set state = 'c', token = nextval('${s}.job_token'), attempts = o.attempts + 1, owner = who,
        until = micros + ttl, progress = null
      from unnest(places) p where o.ctid = p returning o.*
    )
    select t.id, t.token, t.attempts, t.most, t.key, t.payload, t.headers, micros - t.enqueued from taken t order by ${
  order("t")
};
  end if;
  return query select null::text, null::int8, null::int4, null::int4, null::text, null::bytea, null::text, coalesce(least(
    (select o.ready from ${s}.job o where o.queue = q and o.state = 'l' and o.first order by o.ready limit 1),
    (select o.until from ${s}.job o where o.queue = q and o.state = 'c' order by o.until limit 1)) - micros, -1);
end $claim$`
