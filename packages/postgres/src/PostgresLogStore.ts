/**
 * Keeps logs in tables of a PostgreSQL database.
 *
 * **Details**
 *
 * The truth lives on the primary, in three tables of a schema of its own: `log` has a row a log, `log_entry` the entries, `log_consumer`
 * the tokens and positions of consumers. Stores of one schema are one store.
 *
 * Who appends locks the row of the log until the transaction has ended, the disk included: so entries become visible in the order of
 * their offsets, and nobody who has read one finds an earlier one later. Appends of a process to one log in one tick share a
 * transaction; each waits for its commit. Who reads waits for nobody.
 *
 * An offset is the server's time in microseconds, or one more than the last if that is greater: offsets grow also when the newest
 * entries are lost with a failover, or all with the data. An entry's time is its offset, by the server's clock.
 *
 * An append is notified with the name of its log. A session listens while somebody in the process reads; a reader reads pages of up to 500
 * entries or a megabyte, and sleeps until there is more. Every 5 seconds it looks in case a notification was lost.
 *
 * An append is sent once. When its answer is lost it fails with `StoreUnavailable`, and may have been made.
 *
 * No session holds anything, so a pooler of transactions may stand in front. Notifications do not come through one: give `directUrl` for
 * the session that listens, or readers look again once a second.
 *
 * **Gotchas**
 *
 * - A standby that replicates asynchronously may not know the last appends and commits: a failover to it undoes them.
 * - `count` is looked after with every tenth part of it: up to a tenth more is kept.
 * - Transactions that commit with a notification do so one after another in the whole server: each append is one.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type LogEntry, LogStore } from "heddle/messaging"
import { ensureTables } from "./internal/ensureTables.ts"
import { logNeeds, logSql } from "./internal/logSql.ts"
import { logSteps } from "./internal/logSteps.ts"
import * as Postgres from "./Postgres.ts"

/**
 * How the logs are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  /** The schema that the tables are in; stores with the same one share their logs. Default `heddle`. */
  readonly schema?: string | undefined
}

/**
 * How the logs are kept, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends StoreOptions, Postgres.Options {}

/**
 * Keeps logs on sessions that other stores may share. An entry has at most 1,000,000 bytes. Makes the schema if it is not there; fails
 * when it may not, or may not use it.
 *
 * **Interruption**
 *
 * Closing waits for appends that are on their way, for `commandTimeout` at most.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  { schema = "heddle" }: StoreOptions = {}
): Layer.Layer<LogStore.LogStore, LogEntry.StoreUnavailable, Postgres.Postgres> =>
  LogStore.layerOf({
    backend: "postgres",
    maxBytes: 1_000_000,
    steps: Effect.flatMap(Postgres.Postgres, (postgres) =>
      Effect.andThen(
        ensureTables(postgres, logNeeds(schema)),
        // Where nothing can be heard of appends, they are looked for more often.
        logSteps(postgres, schema, postgres.pooling === "transactions" ? 1000 : 5000)
      ))
  })

/**
 * Keeps logs on a server, with sessions of its own: one for statements, one that listens while somebody reads.
 *
 * **Details**
 *
 * Fails with `StoreUnavailable`, which says what to do: see `Postgres.layer`.
 *
 * **Example**
 *
 * ```ts no-run
 * import { PostgresLogStore } from "@heddle/postgres"
 * import { Effect, Schema } from "effect"
 * import { Log } from "heddle/messaging"
 *
 * const payments = Log.make({ name: "payments", payload: Schema.Int })
 * await Effect.runPromise(payments.append(250).pipe(
 *   Effect.provide(PostgresLogStore.layer({ url: "postgres://app@localhost/app" }))
 * ))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<LogStore.LogStore, LogEntry.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Postgres.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<LogStore.LogStore, LogEntry.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/**
 * What the layer makes in the database, as one statement: for a migration of your own, where the app's user may not create
 * anything. Grant that user usage on the schema, and select, insert, update, delete on all its tables.
 *
 * @category migrating
 * @since 0.1.0
 */
export const sql = (schema = "heddle"): string => logSql(schema)
