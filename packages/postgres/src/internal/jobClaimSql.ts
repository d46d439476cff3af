import { due, planned } from "./jobLookSql.ts"

const rank = (j: string): string => `(${j}.ready - ${j}.priority * 60000000)`

/** The order in which jobs go: who could be claimed first, a level of priority being worth a minute, then who came first. */
const order = (j: string): string => `${rank(j)}, ${j}.seq`

/** Locks the first that wait, and keeps their places, and the rank and number of the first of them. */
const lock = (s: string, behind: string): string => `
    select array_agg(p.place), (array_agg(p.rank))[1], (array_agg(p.seq))[1] into places, first_rank, first_seq from (
      select o.ctid place, ${rank("o")} rank, o.seq from ${s}.job o
      where o.queue = q and o.state = 'w' and o.first ${behind} order by ${order("o")}
      limit most_jobs for update skip locked
    ) p;`

/**
 * Claims up to so many jobs, passing over those that others claim at this moment. The last row says in how many microseconds a claim
 * that got nothing may get something of which nobody tells (-1: never), and in place of headers a mark for the next claim.
 *
 * The index has an entry of each job that was claimed since the last vacuum, before those of all that wait; `mark` is where the last
 * claim began, so that the next need not walk over them. It is worth nothing once a job came to wait before others (`job_turn`), and a
 * claim that does not get all that it asked for looks without it. What it can hide is a job whose transaction was open at the last claim.
 *
 * What is locked is found again by its place, in a statement of its own, which sees it as it was locked: by its number, a planner that
 * knows the table as empty would read all jobs for it.
 */
export const jobClaimSql = (s: string, clock: string, channel: string): string => `
create or replace function ${s}.job_claim_1(q text, most_jobs int4, ttl int8, who text, mark int8[])
returns table (id text, token int8, attempt int4, most int4, key text, payload bytea, headers text, age int8)
language plpgsql ${planned} as $claim$
declare
  micros int8 := ${clock};
  turn int8;
  places tid[];
  first_rank int8;
  first_seq int8;
begin
  if ${due(s)} then perform ${s}.job_sweep_1(q, micros, '${channel}'); end if;
  if not exists (select from ${s}.job_queue p where p.queue = q) then
    -- Before the jobs: whoever comes before others after this is seen now, or known by the next claim.
    turn := coalesce(pg_sequence_last_value('${s}.job_turn'), 0);
    if mark[1] = turn then ${lock(s, `and (${order("o")}) >= (mark[2], mark[3])`)}
    end if;
    if coalesce(cardinality(places), 0) < most_jobs then ${lock(s, "")}
    end if;
    return query with taken as (
      update ${s}.job o set state = 'c', token = nextval('${s}.job_token'), attempts = o.attempts + 1, owner = who,
        until = micros + ttl, progress = null
      from unnest(places) p where o.ctid = p returning o.*
    )
    select t.id, t.token, t.attempts, t.most, t.key, t.payload, t.headers, micros - t.enqueued from taken t order by ${
  order("t")
};
  end if;
  return query select null::text, null::int8, null::int4, null::int4, null::text, null::bytea,
    array[turn, first_rank, first_seq]::text, case when places is null then coalesce(least(
      (select o.ready from ${s}.job o where o.queue = q and o.state = 'l' and o.first order by o.ready limit 1),
      (select o.until from ${s}.job o where o.queue = q and o.state = 'c' order by o.until limit 1)) - micros, -1) else -1 end;
end $claim$`
