import { leaseOpSql, never, version } from "./leaseOpSql.ts"

/** Told apart from the keys of other advisory locks on the same text. */
export const lockSeed = 7_236_837

/**
 * The function that carries out operations on resources. It says in SQL what `LeaseMachine.step` says: the property test runs
 * both side by side.
 *
 * Arguments: the asking session, the owner of claims that name none, for how long (µs) a waiter counts as alive, and the
 * operations, as `leaseOps` encodes them: a letter, a resource, an id and a token each, a time (ms), and what is not usual
 * as JSON.
 * They must come in the order of their resources, so that two calls never wait for each other.
 *
 * Answers one line for each operation, then those that go to the asker beside them: `P<id> <token> <ttl>` for a grant to a
 * waiter, `C<resource>` for a change that is watched. The same lines for other sessions are notified to their inbox.
 *
 * What only gives back is committed without waiting for the disk: after a crash of the server it may be held until its ttl.
 */
export const leaseStepSql = (s: string, clock: string): string => `
create or replace function ${s}.lease_step_${version}(
  asker text, fallback text, patience int8, codes text, keys text[], ids text[], tokens int8[], times int4[], rests text[])
returns text language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan
set lock_timeout = '1s' as $step$
declare
  code text;
  k text;
  asked text;
  span int8;
  more json;
  p int4;
  n int4;
  b int4;
  r ${s}.lease%rowtype;
  was ${s}.lease%rowtype;
  w ${s}.lease_waiter%rowtype;
  micros int8;
  next_end int8;
  new_token int8;
  before int4;
  i int4 := 1;
  known bool;
  used bool;
  changed bool;
  waits bool;
  durable bool := false;
  reply text;
  replies text := '';
  listener text;
  push_to text[] := '{}';
  push_keys text[] := '{}';
  push_ids text[] := '{}';
  push_lines text[] := '{}';
begin
  while i <= length(codes) loop
    k := keys[i];
    perform pg_advisory_xact_lock(hashtextextended(k, ${lockSeed}));
    micros := ${clock};

    -- A mutex that nobody waits for is taken, kept and given back by one statement each; a look changes nothing.
    if k is distinct from keys[i + 1] and rests[i] = '' then
      code := substr(codes, i, 1);
      span := times[i]::int8 * 1000;
      reply := null;
      if code = 'C' then
        insert into ${s}.lease values (k, 1, 1, micros, 1, 1, 0, 0, 0, ${never}, 0, 0,
          ids[i], fallback, '', 1, micros, micros, micros + span) on conflict (key) do nothing;
        if found then
          durable := true;
          reply := 'G' || micros;
        end if;
      elsif code = 'F' and span = 0 then
        delete from ${s}.lease l where l.key = k and l.id = ids[i] and l.held = 1 and l.waiting = 0 and l.size = l.named
          and l.gone = 0 and l.watched = 0 and l.token < micros;
        if found then
          reply := 'D';
        end if;
      elsif code = 'R' then
        update ${s}.lease l set until = micros + span
          where l.key = k and l.id = ids[i] and l.granted = tokens[i] and l.held = 1 and l.waiting = 0 and l.until > micros;
        if found then
          durable := true;
          reply := 'D';
        end if;
      elsif code = 'I' then
        select * into r from ${s}.lease l where l.key = k;
        reply := ${s}.lease_look_${version}(r, micros);
      end if;
      if reply is not null then
        replies := replies || reply || E'\\n';
        i := i + 1;
        continue;
      end if;
    end if;

    changed := false;
    select * into r from ${s}.lease l where l.key = k;
    known := found;
    was := r;
    used := known and (r.held > 0 or r.waiting > 0 or r.gone > 0 or r.size <> r.named);
    if not known then
      r := (k, 1, 1, 0, 0, 0, 0, 0, 0, ${never}, 0, 0, null, null, null, null, null, null, null);
    else
      if r.until <= micros then
        r.used := r.used - r.permits;
        r.held := r.held - 1;
        r.id := null;
        r.until := null;
        changed := true;
      end if;
      if r.ends <= micros then
        delete from ${s}.lease_holder h where h.key = k and h.until <= micros;
        changed := changed or found;
        select coalesce(sum(h.permits), 0) + case when r.id is null then 0 else r.permits end,
            count(*) + case when r.id is null then 0 else 1 end, coalesce(min(h.until), ${never})
          into r.used, r.held, r.ends from ${s}.lease_holder h where h.key = k;
      end if;
      if r.gone > 0 and r.gone <= micros then
        delete from ${s}.lease_gone g where g.key = k;
        r.gone := 0;
      end if;
    end if;

    -- The operations on this resource.
    loop
${leaseOpSql(s)}      -- Nobody uses it, but it stays for a while: who asked comes back to remove it.
      if reply = 'D' and r.held = 0 and r.waiting = 0 and r.size = r.named and greatest(r.gone, r.watched, r.token) >= micros then
        reply := 'D' || ((greatest(r.gone, r.watched, r.token) - micros) / 1000 + 1);
      end if;
      if code not in ('I', 'W', 'V') then
        used := r.held > 0 or r.waiting > 0 or r.gone > 0 or r.size <> r.named;
        if not used then
          r.size := 1;
          r.named := 1;
        end if;
      end if;
      replies := replies || reply || E'\\n';
      i := i + 1;
      exit when k is distinct from keys[i];
    end loop;

    if r.held = 0 and r.waiting = 0 and r.size = r.named and greatest(r.gone, r.watched) <= micros and r.token < micros then
      if known then
        delete from ${s}.lease l where l.key = k;
      end if;
    elsif not known then
      insert into ${s}.lease values (r.*);
    elsif r is distinct from was then
      update ${s}.lease l set (size, named, token, used, held, waiting, place, head, ends, gone, watched,
          id, owner, value, permits, granted, since, until)
        = (r.size, r.named, r.token, r.used, r.held, r.waiting, r.place, r.head, r.ends, r.gone, r.watched,
          r.id, r.owner, r.value, r.permits, r.granted, r.since, r.until)
        where l.key = k;
    end if;
    if changed and r.watched > micros then
      for listener in select v.session from ${s}.lease_watch v where v.key = k and v.until > micros loop
        push_to := push_to || listener;
        push_keys := push_keys || k;
        push_ids := push_ids || ''::text;
        push_lines := push_lines || ('C' || k);
      end loop;
    end if;
  end loop;

  for j in 1 .. cardinality(push_to) loop
    if push_to[j] = asker then
      replies := replies || push_lines[j] || E'\n';
    elsif push_to[j] is not null then
      perform pg_notify('heddle_lease_' || push_to[j], push_lines[j]);
    end if;
  end loop;
  if not durable then
    perform set_config('synchronous_commit', 'off', true);
  end if;
  return replies;
end $step$`
