import { createHash } from "node:crypto"
import type { Needs } from "./ensureTables.ts"
import { jobClaimSql } from "./jobClaimSql.ts"
import { jobEnqueueSql } from "./jobEnqueueSql.ts"
import { jobLookSql } from "./jobLookSql.ts"
import { jobReadSql } from "./jobReadSql.ts"
import { jobSettleSql } from "./jobSettleSql.ts"
import { quoted, schemaSql, serverClock } from "./leaseSql.ts"

/** What the names of the functions end with: processes of an older Heddle go on with theirs. */
export const jobVersion = 1

/** The tables that the store writes. */
export const jobTables = ["job", "job_queue"]

/** The channel that what can be claimed is notified on, and what is told of jobs. A name may have 63 bytes. */
export const jobChannel = (schema: string): string =>
  `heddle_job_${createHash("sha256").update(schema).digest("hex").slice(0, 32)}`

/**
 * Makes what the job store needs, in one statement, if it is not there.
 *
 * - `job`: a row a job. `state`: `l` later (its delay is not over), `w` waits, `c` claimed, `d` dead, `e` ended and still known.
 *   `first`: it is the oldest unfinished one of its key, or has none; only such a one can be claimed. `followed`: somebody wants
 *   to be told what becomes of it. A job that is done and need not be known is deleted.
 * - `job_queue`: the queues that are paused.
 *
 * Each index has only the rows of its state, so it stays small however many jobs are dead or known; the table is vacuumed by the
 * number of dead rows. All times are microseconds since 1970.
 */
export const jobSql = (schema: string, clock = serverClock): string => {
  const s = quoted(schema)
  const channel = jobChannel(schema)
  return `
do $do$
begin
  ${schemaSql(schema)}
  create table if not exists ${s}.job (
    seq int8 generated always as identity primary key, queue text collate "C" not null, id text collate "C" not null,
    key text collate "C", first bool not null, state "char" not null, priority int2 not null, ready int8 not null,
    enqueued int8 not null, attempts int4 not null, most int4 not null, keep int8 not null, token int8 not null, owner text,
    until int8 not null, followed bool not null, payload bytea not null, headers text not null, cause text, error bytea,
    outcome "char", result bytea, progress bytea
  ) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
  create table if not exists ${s}.job_queue (queue text collate "C" primary key);
  create sequence if not exists ${s}.job_token;
  create sequence if not exists ${s}.job_turn;
  create unique index if not exists job_id on ${s}.job (queue, id);
  create index if not exists job_next on ${s}.job (queue, (ready - priority * 60000000), seq) where state = 'w' and first;
  create index if not exists job_later on ${s}.job (queue, ready) where state = 'l' and first;
  create index if not exists job_claimed on ${s}.job (queue, until) where state = 'c';
  create index if not exists job_dead on ${s}.job (queue, token) where state = 'd';
  create index if not exists job_ended on ${s}.job (queue, until) where state = 'e';
  create index if not exists job_key on ${s}.job (queue, key, seq) where key is not null and state in ('l', 'w', 'c');
  ${jobLookSql(s)};
  ${jobSettleSql(s, clock, channel)};
  ${jobEnqueueSql(s, clock, channel)};
  ${jobClaimSql(s, clock, channel)};
  ${jobReadSql(s, clock, channel)};
end $do$`
}

/** What the store needs in the database. */
export const jobNeeds = (schema: string): Needs => ({
  schema,
  functions: [
    `job_enqueue_${jobVersion}(text[], bytea[])`,
    `job_claim_${jobVersion}(text, int4, int8, text, int8[])`,
    `job_settle_${jobVersion}(text[], bytea[])`,
    `job_follow_${jobVersion}(text, text)`
  ],
  tables: jobTables,
  sql: jobSql(schema)
})
