/** Plans must stay good when tables grow, and none is worth compiling. */
export const planned = "set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off"

export const unfinished = "('l', 'w', 'c')"

/** Told apart from the keys of other advisory locks on the same text. */
const keySeed = 7_236_840

/** The lock of a key: who comes to a line and who leaves it do so one after another. */
export const keyLock = (queue: string, key: string): string =>
  `hashtextextended(${queue} || chr(1) || ${key}, ${keySeed})`

/** Whether `job_sweep` has something to do in the queue `q`: cheaper to ask than to call it. */
export const due = (s: string): string => {
  const any = (what: string) => `exists (select from ${s}.job o where o.queue = q and ${what} <= micros)`
  return [
    any("o.state = 'c' and o.until"),
    any("o.state = 'l' and o.first and o.ready"),
    any("o.state = 'e' and o.until")
  ].join(" or ")
}

/**
 * What the other functions share. Whatever makes a job wait before others that wait draws a number of `job_turn`: see `job_claim`.
 *
 * `job_leave`: whoever is the oldest of a key now may be claimed. `job_die`: makes a dead
 * letter. `job_end`: ends a job, which is known for as long as it should be, and where somebody follows it for long enough to be read.
 * `job_sweep`: lets happen what is due in a queue. It passes over rows that others have at that moment.
 */
export const jobLookSql = (s: string): string => `
create or replace function ${s}.job_leave_1(q text, k text) returns void language plpgsql ${planned} as $leave$
begin
  if k is null then return; end if;
  perform pg_advisory_xact_lock(${keyLock("q", "k")});
  perform nextval('${s}.job_turn');
  update ${s}.job j set first = true where not j.first and j.seq = (select o.seq from ${s}.job o
    where o.queue = q and o.key = k and o.state in ${unfinished} order by o.seq limit 1);
end $leave$;

create or replace function ${s}.job_die_1(which int8, why text, what bytea, channel text)
returns void language plpgsql ${planned} as $die$
declare
  j record;
begin
  update ${s}.job o set state = 'd', token = nextval('${s}.job_token'), cause = why, error = what, owner = null, progress = null
    where o.seq = which returning o.queue, o.id, o.key, o.followed into j;
  if j.followed then perform pg_notify(channel, json_build_array('f', j.queue, j.id)::text); end if;
  perform ${s}.job_leave_1(j.queue, j.key);
end $die$;

create or replace function ${s}.job_end_1(which int8, how "char", what bytea, micros int8, channel text)
returns void language plpgsql ${planned} as $end$
declare
  j record;
begin
  select o.queue, o.id, o.key, o.followed, o.keep into j from ${s}.job o where o.seq = which;
  if j.keep > 0 or j.followed then
    update ${s}.job o set state = 'e', outcome = how, result = what, payload = '', headers = '', owner = null, progress = null,
      until = micros + greatest(j.keep, case when j.followed then 60000000 else 0 end) where o.seq = which;
  else
    delete from ${s}.job o where o.seq = which;
  end if;
  if j.followed then perform pg_notify(channel, json_build_array('f', j.queue, j.id)::text); end if;
  perform ${s}.job_leave_1(j.queue, j.key);
end $end$;

create or replace function ${s}.job_sweep_1(q text, micros int8, channel text) returns void language plpgsql ${planned} as $sweep$
declare
  j record;
  places tid[];
begin
  for j in select o.seq, o.attempts, o.most from ${s}.job o where o.queue = q and o.state = 'c' and o.until <= micros
    order by o.until, o.seq limit 1000 for update skip locked
  loop
    if j.attempts < j.most then
      perform nextval('${s}.job_turn');
      update ${s}.job o set state = 'w', owner = null where o.seq = j.seq;
    else
      perform ${s}.job_die_1(j.seq, format('its claim expired, and it has had all of its %s attempts', j.attempts), null, channel);
    end if;
  end loop;
  -- Behind those who have died: the next of their key may be due.
  if exists (select from ${s}.job o where o.queue = q and o.state = 'l' and o.first and o.ready <= micros) then
    select array_agg(i.place) into places from (select o.ctid place from ${s}.job o
      where o.queue = q and o.state = 'l' and o.first and o.ready <= micros limit 1000 for update skip locked) i;
    update ${s}.job o set state = 'w' from unnest(places) p where o.ctid = p;
    perform nextval('${s}.job_turn');
  end if;
  if exists (select from ${s}.job o where o.queue = q and o.state = 'e' and o.until <= micros) then
    select array_agg(i.place) into places from (select o.ctid place from ${s}.job o
      where o.queue = q and o.state = 'e' and o.until <= micros limit 1000 for update skip locked) i;
    delete from ${s}.job o using unnest(places) p where o.ctid = p;
  end if;
end $sweep$`
