import type { Mode } from "./advisoryKeys.ts"
import { literal, quoted, schemaSql } from "./leaseSql.ts"
import { Statement } from "./Statement.ts"

/** The sequence that tokens are from, and what is told of locks in the schema. */
export interface Names {
  readonly fence: string
  readonly keys: string
}

export const namesOf = (schema: string): Names => ({
  fence: `${quoted(schema)}.advisory_fence`,
  keys: `${quoted(schema)}.advisory_key`
})

/**
 * Makes what the advisory store needs, in one statement, if it is not there: a sequence for tokens, which counts from the time
 * of its making so that it goes on above what an older one has given, in steps of the largest block; and who uses which number.
 */
export const advisorySql = (schema: string): string => {
  const { fence, keys } = namesOf(schema)
  return `
do $do$
begin
  ${schemaSql(schema)}
  if to_regclass(${literal(fence)}) is null then
    execute 'create sequence ${fence} increment by 1000 start with '
      || (extract(epoch from clock_timestamp()) * 1000000)::int8;
  end if;
  create table if not exists ${keys} (number int8 primary key, name text not null, seen date not null);
end $do$`
}

/** What a session is told first, whatever the user's defaults are; answers its process's id and the server's timeline. */
export const greeting = `
select pg_backend_pid(), ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int4,
  set_config('client_connection_check_interval', '500ms', false),
  set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '2', false),
  set_config('tcp_keepalives_count', '3', false), set_config('idle_session_timeout', '0', false),
  set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false)`

const suffix = (mode: Mode): string => mode === "shared" ? "_shared" : ""

/** What a session that holds locks is asked. A lock's number comes first; what is answered is a number of the sequence. */
export interface Statements {
  /** Ends the session when it has been silent for so long (ms; 0: never), unless it waits for a lock. */
  readonly silence: Statement
  readonly beat: Statement
  /** Takes a lock if it is free: its number in the sequence, or null. */
  readonly take: Readonly<Record<Mode, Statement>>
  /** Takes a shared lock that the session has already, if nobody waits for it: the server would not ask. */
  readonly takeAgain: Statement
  /** Waits for a lock in the server's line, and takes it: its number in the sequence, which is drawn last. */
  readonly wait: Readonly<Record<Mode, Statement>>
  readonly giveBack: Readonly<Record<Mode, Statement>>
  readonly giveAllBack: Statement
  /** Makes an exclusive lock a shared one: at no moment is it neither. */
  readonly downgrade: Statement
}

export const statementsOf = ({ fence }: Names): Statements => {
  const take = (mode: Mode) =>
    new Statement(
      `take${suffix(mode)}`,
      `select case when pg_try_advisory_lock${suffix(mode)}($1) then nextval('${fence}') end`,
      1,
      0
    )
  const wait = (mode: Mode) =>
    new Statement(
      `wait${suffix(mode)}`,
      `select pg_advisory_lock${suffix(mode)}($1)::text, nextval('${fence}')`,
      1,
      1
    )
  const giveBack = (mode: Mode) =>
    new Statement(`give_back${suffix(mode)}`, `select pg_advisory_unlock${suffix(mode)}($1)`, 1)
  const both = (of: (mode: Mode) => Statement) => ({ exclusive: of("exclusive"), shared: of("shared") })
  return {
    silence: new Statement("silence", "select set_config('idle_session_timeout', $1::text, false)", 1),
    beat: new Statement("beat", "select 1", 0),
    take: both(take),
    takeAgain: new Statement(
      "take_again",
      `select case when not exists (
    select from pg_locks l where l.locktype = 'advisory' and not l.granted and l.objsubid = 1
      and l.classid::int8 = $2 and l.objid::int8 = $3
      and l.database = (select d.oid from pg_database d where d.datname = current_database())
  ) and pg_try_advisory_lock_shared($1) then nextval('${fence}') end`,
      3,
      0
    ),
    wait: both(wait),
    giveBack: both(giveBack),
    giveAllBack: new Statement("give_all_back", "select pg_advisory_unlock_all()::text", 0),
    downgrade: new Statement("downgrade", "select pg_advisory_lock_shared($1)::text, pg_advisory_unlock($1)", 1)
  }
}

/** Forgets names that nobody has used for long. */
export const prune = ({ keys }: Names): string => `delete from ${keys} where seen < current_date - 30`

/** Notes that a name uses a number, and answers which name does. */
export const register = ({ keys }: Names): string =>
  `insert into ${keys} as k values ($1, $2, current_date) on conflict (number)
    do update set seen = case when k.name = excluded.name then current_date else k.seen end returning name`

/** Who else has the lock or waits for it: process, mode, whether it has it, for how long (ms) it waits, and its name. */
export const look = `
select l.pid, l.mode = 'ShareLock', l.granted, coalesce(extract(epoch from clock_timestamp() - l.waitstart) * 1000, 0)::float8,
  coalesce(a.application_name, '')
from pg_locks l left join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'advisory' and l.objsubid = 1 and l.classid::int8 = $1 and l.objid::int8 = $2
  and l.database = (select d.oid from pg_database d where d.datname = current_database()) and l.pid <> all($3::int4[])
order by l.granted desc, l.waitstart`

/** Those of the processes that still wait for a lock. */
export const stillWaiting =
  "select l.pid from pg_locks l where l.locktype = 'advisory' and not l.granted and l.pid = any($1::int4[])"
