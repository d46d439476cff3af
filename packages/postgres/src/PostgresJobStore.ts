/**
 * Keeps jobs in a table of a PostgreSQL database.
 *
 * **Details**
 *
 * The truth lives on the primary, in two tables of a schema of its own: `job` has a row a job, `job_queue` the queues that are paused.
 * What a caller was told is committed. Stores of one schema are one store.
 *
 * Who claims passes over the rows that others claim at that moment (`for update skip locked`), so claims do not wait for each other.
 * A level of priority is worth a minute of waiting, in the order of the index. Jobs of a key are claimed one at a time: the oldest
 * unfinished one carries a mark, and passes it on when it ends; who comes to the line of a key holds a lock of the key until the
 * commit, so that the order of a key is that of the commits.
 *
 * The index keeps an entry of each job that was claimed until the table is vacuumed. So as not to walk over them, a claim begins where the
 * last one of this store did, for a tenth of a second, as long as it finds as many as it asks for there and no job came to stand before
 * others. A job whose transaction was open at that last claim may let others of its queue go first for as long; not those of its key.
 *
 * The clock is the server's. A claim whose time is over goes back to the line, or becomes a dead letter, when somebody next asks
 * something of its queue; whoever waits for a job asks when the next delay or claim ends. Otherwise a commit is notified, and who
 * waits asks only then; in case a notification was lost, every five seconds.
 *
 * Enqueues of one tick share a statement and a commit, and so do settlements. A job that is done and need not be known is deleted;
 * each index has only the rows of one state, so dead letters and kept results make no claim slower.
 *
 * An enqueue is sent once: when its answer is lost it fails with `StoreUnavailable`, and the jobs may have been added. All else is
 * sent again when the session is back, as long as `commandTimeout` allows; jobs of a claim whose answer is lost come back when
 * their ttl is over, and that attempt counts.
 *
 * No session holds anything, so a pooler of transactions may stand in front. Notifications do not come through one: give
 * `directUrl` for the session that listens, or who waits looks again once a second.
 *
 * **Gotchas**
 *
 * - A standby that replicates asynchronously may not know the last commits: after a failover to it jobs may be there again.
 * - A step of the server's clock forward ends claims early.
 * - Transactions that commit with a notification do so one after another in the whole server: each call is one.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import type { Lease } from "heddle/coordination"
import { JobAbility, type JobBackend, JobStore } from "heddle/messaging"
import { hostname } from "node:os"
import { jobSql } from "./internal/jobSql.ts"
import { jobSteps } from "./internal/jobSteps.ts"
import { joinTransactions } from "./internal/jobTransactions.ts"
import * as Postgres from "./Postgres.ts"

/**
 * How the jobs are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  /** The schema that the tables are in; stores with the same one share their jobs. Default `heddle`. */
  readonly schema?: string | undefined
  /** Who claims, as `inspect` shows it. Default: the host's name and the process id. */
  readonly owner?: string | undefined
}

/**
 * How the jobs are kept, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends StoreOptions, Postgres.Options {}

/**
 * Keeps jobs on sessions that other stores may share. Makes the schema if it is not there; fails when it may not, or may not use it.
 *
 * **Interruption**
 *
 * Closing waits for claims that are on their way and then for jobs on their way back, for `commandTimeout` each at most.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  options: StoreOptions = {}
): Layer.Layer<JobStore.All, Lease.StoreUnavailable, Postgres.Postgres> => storeOf(options, Effect.succeed)

const storeOf = <R>(
  { owner = `${hostname()}/${process.pid}`, schema = "heddle" }: StoreOptions,
  change: (
    steps: JobBackend.AllSteps,
    postgres: Postgres.Postgres["Service"],
    schema: string
  ) => Effect.Effect<JobBackend.AllSteps, never, R>
) =>
  JobStore.layerOf({
    backend: "postgres",
    owner,
    steps: (revoked) =>
      Effect.flatMap(Postgres.Postgres, (postgres) =>
        Effect.flatMap(
          // Where nothing can be heard of commits, they are looked for more often.
          jobSteps(postgres, { schema, recheck: postgres.pooling === "transactions" ? 1000 : 5000 }, revoked),
          (steps) => change(steps, postgres, schema)
        ))
  })

/**
 * Keeps jobs on a server, with sessions of its own: one for statements, one that listens while somebody waits, and
 * for ten seconds longer.
 *
 * **Details**
 *
 * Fails with `StoreUnavailable`, which says what to do: see `Postgres.layer`.
 *
 * **Example**
 *
 * ```ts no-run
 * import { PostgresJobStore } from "@heddle/postgres"
 * import { Effect } from "effect"
 * import { JobStore } from "heddle/messaging"
 *
 * const program = Effect.flatMap(JobStore.JobStore, (store) =>
 *   store.enqueue("mail", [{ payload: new Uint8Array([1]) }]))
 * await Effect.runPromise(program.pipe(
 *   Effect.provide(PostgresJobStore.layer({ url: "postgres://app@localhost/app" }))
 * ))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<JobStore.All, Lease.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Postgres.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<JobStore.All, Lease.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/**
 * `layer`, for apps that keep their own tables in the same database: what is enqueued inside of `SqlClient.withTransaction` is there
 * when that is committed, and so is the end of a job (`task.complete`).
 *
 * **Details**
 *
 * Such an enqueue is one statement on the app's own connection, and such an end another; whoever waits for a job is woken by the
 * commit. The app's user needs the rights that `sql` names.
 *
 * **Gotchas**
 *
 * - Let them be the last statements: until the commit they hold the lines of the keys that they enqueue for, and a claim that was
 *   completed cannot be renewed, nor those that are renewed with it.
 * - `enqueueAndAwait` would wait in the transaction for a job that nobody sees before its end.
 * - A statement that fails fails the transaction.
 *
 * **Example**
 *
 * ```ts
 * import { PostgresJobStore } from "@heddle/postgres"
 * import { Effect, Schema } from "effect"
 * import { SqlClient } from "effect/sql/SqlClient"
 * import { WorkQueue } from "heddle/messaging"
 *
 * const mails = WorkQueue.make({ name: "mails", payload: Schema.Struct({ to: Schema.String }) })
 *
 * // The row and the job are there together, or neither.
 * const register = (to: string) =>
 *   Effect.flatMap(SqlClient, (sql) =>
 *     sql.withTransaction(Effect.andThen(sql`insert into member (mail) values (${to})`, mails.enqueue({ to }))))
 *
 * // The mark and the end of the job too, and only for who still has the job.
 * const worker = mails.process(({ to }, task) =>
 *   Effect.flatMap(SqlClient, (sql) =>
 *     sql.withTransaction(Effect.andThen(sql`update member set welcome = true where mail = ${to}`, task.complete()))).pipe(
 *       Effect.orDie
 *     ))
 *
 * const program = Effect.scoped(Effect.andThen(worker, register("ada@example.org")))
 * const layer = PostgresJobStore.layerTransactional({ url: "postgres://app@localhost/app" })
 * Effect.isEffect(Effect.provide(program, layer)) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerTransactional = (
  options: Options
): Layer.Layer<JobStore.All | JobAbility.Transactional, Lease.StoreUnavailable, SqlClient> =>
  Layer.merge(
    Layer.provide(
      storeOf(options, (steps, postgres, schema) =>
        Effect.map(SqlClient, (sql) =>
          joinTransactions(steps, sql, { schema, failure: postgres.failure }))),
      Postgres.layer(options)
    ),
    JobAbility.Transactional.layer
  )

/**
 * What the layer makes in the database, as one statement: for a migration of your own, where the app's user may not create
 * anything. Grant that user usage on the schema and on its sequences, and select, insert, update, delete on all its tables.
 *
 * @category migrating
 * @since 0.1.0
 */
export const sql = (schema = "heddle"): string => jobSql(schema)
