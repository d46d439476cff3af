/** What the names of the functions end with: processes of an older Heddle go on with theirs. */
export const kvVersion = 1

/**
 * The part of the step's function that carries out one operation: the one whose letter is at `at`, which it moves behind it.
 *
 * `G` get, `R` range, `C` commit, `L` grant a lease, `K` renew leases, `E` end a lease, `N` now, `S` since.
 */
export const kvOpSql = (s: string): string => `
    when 'G' then
      return query select op, 'E'::text, k.key, k.value, k.revision, k.created from ${s}.kv k
        where ${isKey("words[at + 1]")};
      at := at + 2;

    -- The keys that begin with a prefix from a first one on, or behind one.
    when 'R' then
      return query
        (select op, 'R'::text, null::text, null::bytea, max(g.revision), null::int8 from ${s}.kv_log g)
        union all
        (select op, 'E'::text, k.key, k.value, k.revision, k.created from ${s}.kv k
          where left(k.key, 640) >= left(words[at + 2], 640)
            and left(k.key, 640) <= left(words[at + 1] || repeat(chr(1114111), 640), 640)
            and starts_with(k.key, words[at + 1]) and k.key > words[at + 3]
          order by left(k.key, 640), k.key limit words[at + 4]::int4);
      at := at + 5;

    when 'C' then
      refused := null;
      at := at + 2;
      for j in 1 .. words[at - 1]::int4 loop
        if refused is null then
          select k.revision into actual from ${s}.kv k where ${isKey("words[at]")};
          if coalesce(actual, 0) <> words[at + 1]::int8 then
            refused := 'X';
            stamp := j;
            made := coalesce(actual, 0);
          end if;
        end if;
        at := at + 2;
      end loop;
      total := words[at]::int4;
      for j in 1 .. total loop
        if refused is null and words[at + 4 * j - 1] <> ''
          and not exists (select from ${s}.kv_lease l where l.id = words[at + 4 * j - 1]::int8) then
          refused := 'U';
          stamp := j;
        end if;
      end loop;
      kind := refused;
      if refused is null then
        kind := 'C';
        made := 0;
        select g.revision, g.place into stamp, last_place from ${s}.kv_log g order by g.revision desc limit 1;
        following := greatest(stamp + 1, micros);
        changed := false;
        for j in 1 .. total loop
          asked := words[at + 4 * j - 2];
          select true, k.created, k.lease into known, first_at, bound from ${s}.kv k where ${isKey("asked")};
          if bound is not null then
            delete from ${s}.kv_lease l where l.id = bound and l.own;
          end if;
          if words[at + 4 * j - 3] = 'P' then
            bound := nullif(words[at + 4 * j - 1], '')::int8;
            if words[at + 4 * j] <> '' then
              ${issue(s, "words[at + 4 * j]", "true")}
              bound := issued;
            end if;
            if known then
              update ${s}.kv k set value = blobs[blob + j], revision = following, lease = bound where ${isKey("asked")};
            else
              first_at := following;
              insert into ${s}.kv values (asked, blobs[blob + j], following, following, bound);
            end if;
            insert into ${s}.kv_log values (following, last_place + 1, stamp, asked, blobs[blob + j], first_at);
            changed := true;
          elsif known then
            delete from ${s}.kv k where ${isKey("asked")};
            insert into ${s}.kv_log values (following, last_place + 1, stamp, asked, null, null);
            made := made + 1;
            changed := true;
          end if;
        end loop;
        if changed then
          stamp := following;
        end if;
      end if;
      return next;
      at := at + 4 * total + 1;
      blob := blob + total;

    when 'L' then
      ${issue(s, "words[at + 1]", "false")}
      kind := 'L';
      stamp := issued;
      return next;
      at := at + 2;

    when 'K' then
      kind := 'K';
      name := '';
      for j in 1 .. words[at + 1]::int4 loop
        update ${s}.kv_lease l set until = micros + words[at + 2 * j + 1]::int8 * 1000 where l.id = words[at + 2 * j]::int8;
        name := name || case when found then '1' else '0' end;
      end loop;
      return next;
      at := at + 2 + 2 * words[at + 1]::int4;

    when 'E' then
      perform ${s}.kv_end_${kvVersion}(words[at + 1]::int8, micros);
      at := at + 2;

    when 'N' then
      return query select op, 'N'::text, null::text, null::bytea, max(g.revision), null::int8 from ${s}.kv_log g;
      at := at + 1;

    -- The changes of a target from a revision on, for one that knows all up to \`seen\` (null: that does not know yet). What was
    -- told does not count if it turns out that some are gone: the log is looked at last.
    when 'S' then
      seen := nullif(words[at + 4], '')::int8;
      first_at := coalesce(seen + 1, words[at + 3]::int8);
      select max(g.revision) into newest from ${s}.kv_log g;
      upto := least(newest, (select g.revision from ${s}.kv_log g where g.revision >= first_at
        order by g.revision offset 4096 limit 1));
      -- A mebibyte is enough; what one commit changed is never cut.
      select min(t.revision) into cut from (
        select g.revision, sum(octet_length(g.value)) over (order by g.revision)
          - sum(octet_length(g.value)) over (partition by g.revision) as size
        from ${s}.kv_log g where ${isTold}) t where t.size >= 1048576;
      if cut is not null then
        upto := (select g.before from ${s}.kv_log g where g.revision = cut limit 1);
      end if;
      return query select op, case when g.value is null then 'D' else 'P' end, g.key, g.value, g.revision, g.created
        from ${s}.kv_log g where ${isTold} order by g.revision;
      kind := 'S';
      stamp := upto;
      made := newest;
      if seen is not null then
        select g.before into actual from ${s}.kv_log g where g.revision > seen order by g.revision limit 1;
        if coalesce(actual, newest) <> seen then
          kind := 'X';
          stamp := case when actual > seen then actual + 1 else newest + 1 end;
        end if;
      elsif not exists (select from ${s}.kv_log g where g.revision < first_at) then
        select g.before into actual from ${s}.kv_log g order by g.revision limit 1;
        if actual >= first_at then
          kind := 'X';
          stamp := actual + 1;
        end if;
      end if;
      return next;
      at := at + 5;
`

/** Whether the entry \`k\` has this key. */
const isKey = (key: string): string => `left(k.key, 640) = left(${key}, 640) and k.key = ${key}`

/** Whether the row \`g\` is to be told. */
const isTold = `g.revision >= greatest(first_at, words[at + 3]::int8) and g.revision <= upto
          and (g.key = words[at + 1] or words[at + 2] = '1' and starts_with(g.key, words[at + 1]))`

/**
 * Makes a lease with a number that none had: above all that are alive, and no less than the time in units of 10 ns. Making one
 * takes longer than that, so the numbers never run ahead of the clock, and that of a lease that was revoked does not come again.
 */
const issue = (s: string, ttl: string, own: string): string =>
  `issued := greatest(issued + 1, (select max(l.id) + 1 from ${s}.kv_lease l), micros * 100);
              insert into ${s}.kv_lease values (issued, micros + ${ttl}::int8 * 1000, ${own});`
