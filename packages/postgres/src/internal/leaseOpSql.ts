/** Greater than any time. */
export const never = "9223372036854775807"

/** What the names of the functions end with: processes of an older Heddle go on with theirs. */
export const version = 1

/**
 * The part of the step's function that carries out one operation: the one at `i`, on the resource `k`, whose row is `r`.
 *
 * It leaves the answer in `reply`, and tells in `changed` whether others can see a change, in `durable` whether it must not be
 * forgotten. `r` is written later. A holder is in `r` itself while that place is free, else in `lease_holder`.
 */
export const leaseOpSql = (s: string): string =>
  `      code := substr(codes, i, 1);
      asked := ids[i];
      span := times[i]::int8 * 1000;
      more := nullif(rests[i], '')::json;
      p := coalesce((more ->> 'p')::int4, 1);
      n := coalesce((more ->> 'n')::int4, 1);
      b := coalesce((more ->> 'b')::int4, 1);
      reply := null;
      waits := false;

      if code = 'F' then
        reply := 'D';
        before := null;
        if r.id = asked then
          before := r.permits;
          r.id := null;
          r.until := null;
        elsif r.held > 0 then
          delete from ${s}.lease_holder h where h.key = k and h.id = asked returning h.permits into before;
        end if;
        if before is not null then
          r.used := r.used - before;
          r.held := r.held - 1;
          changed := true;
        else
          delete from ${s}.lease_waiter q where q.key = k and q.id = asked and r.waiting > 0;
          if found then
            r.waiting := r.waiting - 1;
            changed := true;
          elsif span > 0 then
            insert into ${s}.lease_gone values (k, asked, micros + span)
              on conflict (key, id) do update set until = greatest(lease_gone.until, excluded.until);
            r.gone := greatest(r.gone, micros + span);
            durable := true;
          end if;
        end if;
      elsif code = 'R' then
        reply := 'L';
        if r.id = asked and r.granted = tokens[i] then
          r.until := micros + span;
          reply := 'D';
          durable := true;
        elsif r.held > 0 then
          update ${s}.lease_holder set until = micros + span where key = k and id = asked and token = tokens[i];
          if found then
            r.ends := least(r.ends, micros + span);
            reply := 'D';
            durable := true;
          end if;
        end if;
      elsif code = 'U' then
        reply := 'L';
        before := null;
        if r.id = asked then
          before := r.permits;
          r.permits := least(before, coalesce((more ->> 'p')::int4, before));
          r.value := coalesce(more ->> 'v', r.value);
          p := r.permits;
        elsif r.held > 0 then
          select h.permits into before from ${s}.lease_holder h where h.key = k and h.id = asked;
          p := least(before, coalesce((more ->> 'p')::int4, before));
          update ${s}.lease_holder set value = coalesce(more ->> 'v', value), permits = p where key = k and id = asked;
        end if;
        if before is not null then
          r.used := r.used - before + p;
          reply := 'D';
          changed := true;
          durable := true;
        end if;
      elsif code = 'S' then
        reply := 'D';
        if r.held = 0 and r.size = r.named
          and not exists (select from ${s}.lease_waiter q where q.key = k and q.until > micros) then
          r.named := 0;
        end if;
        r.size := n;
        changed := true;
        durable := true;
      elsif code = 'W' then
        insert into ${s}.lease_watch values (k, asker, micros + lease_step_${version}.patience)
          on conflict (key, session) do update set until = excluded.until;
        r.watched := greatest(r.watched, micros + lease_step_${version}.patience);
      elsif code = 'V' then
        reply := 'D';
        delete from ${s}.lease_watch v where v.key = k and v.session = asker;
        select coalesce(max(v.until), 0) into r.watched from ${s}.lease_watch v where v.key = k;
      elsif code <> 'I' and r.gone > 0
        and exists (select from ${s}.lease_gone g where g.key = k and g.id = asked and g.until > micros) then
        reply := 'X';
      elsif code in ('A', 'a') and r.waiting > 0 then
        update ${s}.lease_waiter set until = micros + lease_step_${version}.patience where key = k and id = asked;
        waits := found;
      end if;

      -- Lets the head of the line in while it fits; who died in line is passed over.
      while r.waiting > 0 and r.used < r.size and reply is distinct from 'X' loop
        select * into w from ${s}.lease_waiter q where q.key = k and q.place >= r.head order by q.place limit 1;
        exit when w.until > micros and r.used + w.permits > r.size;
        delete from ${s}.lease_waiter q where q.key = k and q.place = w.place;
        r.waiting := r.waiting - 1;
        r.head := w.place + 1;
        changed := true;
        continue when w.until <= micros;
        new_token := greatest(r.token + 1, micros);
        w.ttl := least(w.ttl, w.patience);
        if r.id is null then
          r := (k, r.size, r.named, new_token + w.tokens - 1, r.used + w.permits, r.held + 1, r.waiting, r.place, r.head, r.ends,
            r.gone, r.watched, w.id, w.owner, w.value, w.permits, new_token, micros, micros + w.ttl);
        else
          insert into ${s}.lease_holder
            values (k, w.id, w.owner, w.value, w.permits, new_token, micros, micros + w.ttl);
          r.token := new_token + w.tokens - 1;
          r.used := r.used + w.permits;
          r.held := r.held + 1;
          r.ends := least(r.ends, micros + w.ttl);
        end if;
        durable := true;
        push_to := push_to || w.session;
        push_keys := push_keys || k;
        push_ids := push_ids || w.id;
        push_lines := push_lines || ('P' || w.id || ' ' || new_token || ' ' || round(w.ttl / 1000.0, 3));
      end loop;

      if code in ('C', 'c', 'A', 'a') and reply is null then
        if r.held = 0 and r.waiting = 0 and r.named <> n then
          if r.size = r.named then
            r.size := n;
          end if;
          r.named := n;
        end if;
        if code in ('A', 'a') and r.held > 0 then
          if r.id = asked then
            reply := 'G' || r.granted || ' ' || round((r.until - micros) / 1000.0, 3);
          else
            select 'G' || h.token || ' ' || round((h.until - micros) / 1000.0, 3) into reply
              from ${s}.lease_holder h where h.key = k and h.id = asked;
          end if;
          for j in 1 .. cardinality(push_ids) loop
            if push_ids[j] = asked and push_keys[j] = k then
              push_to[j] := null;
            end if;
          end loop;
        end if;
        if reply is not null then
          null;
        elsif r.named <> n then
          reply := 'M' || r.named;
        elsif r.waiting = 0 and r.used + p <= r.size then
          new_token := greatest(r.token + 1, micros);
          changed := true;
          durable := true;
          reply := 'G' || new_token;
          if r.id is null then
            r := (k, r.size, r.named, new_token + b - 1, r.used + p, r.held + 1, 0, r.place, r.head, r.ends, r.gone, r.watched,
              asked, coalesce(more ->> 'o', fallback), coalesce(more ->> 'v', ''), p, new_token, micros, micros + span);
          else
            insert into ${s}.lease_holder values (k, asked, coalesce(more ->> 'o', fallback), coalesce(more ->> 'v', ''), p,
              new_token, micros, micros + span);
            r.token := new_token + b - 1;
            r.used := r.used + p;
            r.held := r.held + 1;
            r.ends := least(r.ends, micros + span);
          end if;
        elsif code in ('c', 'a') and not waits then
          reply := 'B';
        else
          if not waits then
            insert into ${s}.lease_waiter values (k, r.place, asked, asker, coalesce(more ->> 'o', fallback),
              coalesce(more ->> 'v', ''), p, b, span, lease_step_${version}.patience, micros,
              micros + lease_step_${version}.patience);
            r.place := r.place + 1;
            r.waiting := r.waiting + 1;
            changed := true;
            durable := true;
          end if;
          next_end := r.until;
          if r.ends < ${never} then
            select least(next_end, min(h.until)) into next_end from ${s}.lease_holder h where h.key = k;
          end if;
          reply := 'Q' || coalesce(round((next_end - micros) / 1000.0, 3)::text, 'Infinity')
            || ' ' || greatest(r.token + 1, micros);
        end if;
      elsif code in ('I', 'W') then
        reply := ${s}.lease_look_${version}(r, micros);
      end if;
`
