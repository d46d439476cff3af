import { planned } from "./jobLookSql.ts"

/** How many words tell one end to `job_settle`: queue, id, token, kind, delay, cause, whether there is an error, and a result. */
export const settleWords = 8

const word = (at: number): string => `words[${settleWords} * i + ${at}]`

/**
 * Ends claims, and answers a letter for each: `C` completed, `R` retried, `D` dead, `H` handed back, `L` the claim was over. Those that
 * are completed and need not be known go with one statement. Cancels a job: the token of its claim, 0 if it waited, -1 if there is
 * none.
 */
export const jobSettleSql = (s: string, clock: string, channel: string): string => `
create or replace function ${s}.job_settle_1(words text[], blobs bytea[]) returns text language plpgsql ${planned} as $settle$
declare
  micros int8 := ${clock};
  total int4 := cardinality(words) / ${settleWords};
  gone int4[];
  told text := '';
  kind text;
  delay int8;
  j record;
begin
  with done as (
    delete from ${s}.job o using (select i, ${word(1)} q, ${word(2)} id, ${word(3)}::int8 token
      from generate_series(0, total - 1) i where ${word(4)} = 'C') g
    where o.queue = g.q and o.id = g.id and o.token = g.token and o.state = 'c' and o.until > micros
      and o.keep = 0 and not o.followed and o.key is null
    returning g.i
  )
  select coalesce(array_agg(d.i), '{}') into gone from done d;
  if cardinality(gone) = total then return repeat('C', total); end if;
  for i in 0 .. total - 1 loop
    if i = any(gone) then
      told := told || 'C';
      continue;
    end if;
    kind := ${word(4)};
    delay := ${word(5)}::int8;
    select o.seq, o.attempts, o.most, o.queue into j from ${s}.job o where o.queue = ${word(1)} and o.id = ${word(2)}
      and o.token = ${word(3)}::int8 and o.state = 'c' and o.until > micros for update;
    if not found then
      told := told || 'L';
      continue;
    end if;
    if kind = 'R' and j.attempts >= j.most then kind := 'D'; end if;
    if kind = 'C' then
      perform ${s}.job_end_1(j.seq, 'C', case when ${word(8)} = '1' then blobs[2 * i + 2] end, micros, '${channel}');
    elsif kind = 'D' then
      perform ${s}.job_die_1(j.seq, ${word(6)}, case when ${word(7)} = '1' then blobs[2 * i + 1] end, '${channel}');
    elsif kind = 'R' then
      update ${s}.job o set state = case when delay > 0 then 'l' else 'w' end::"char", ready = micros + delay, owner = null
        where o.seq = j.seq;
    else
      update ${s}.job o set state = 'w', attempts = o.attempts - 1, owner = null where o.seq = j.seq;
    end if;
    told := told || kind;
  end loop;
  -- Whoever waits may get what went back, or the next of a key.
  perform pg_notify('${channel}', json_build_array('w', d.q)::text) from (select distinct ${word(1)} q
    from generate_series(0, total - 1) i where substr(told, i + 1, 1) <> 'L') d;
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
