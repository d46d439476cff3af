/**
 * Keeps small values under keys in tables of a PostgreSQL database.
 *
 * **Details**
 *
 * The truth lives on the primary, in three tables of a schema of its own: `kv` has the entries, `kv_lease` the leases with
 * their deadlines, `kv_log` the changes of the last revisions. Each step is part of a call of one function, and all steps of
 * one tick travel in one call. Stores of one schema are one store.
 *
 * Who writes locks the whole store until its transaction has ended, the disk included: so revisions grow in the order of the
 * commits, and nobody who was shown one is shown an earlier one later. A store makes therefore as many calls that write, one
 * after another, as its disk can sync; each carries up to 64 commits of a process. Who only reads waits for nobody.
 *
 * The clock is the server's. Each call first ends the leases that are over: their keys are deleted, at one revision a
 * lease. A process in which somebody watches calls when the next lease ends; where nobody watches, the next call does it.
 *
 * A revision is the server's time in microseconds, or one more than the last if that is greater: revisions grow also when the
 * newest are lost with a failover, or all with the data. Their numbers have gaps therefore, and no changes in them.
 *
 * A commit is notified with its keys, so a watch reads only when it is concerned, and otherwise sleeps. Each change names
 * the revision before it: a watch goes on exactly behind what it has seen, and fails with `Compacted` when that is gone,
 * was trimmed, or was undone by a failover. A session listens while somebody in the process watches.
 *
 * A commit is sent once. When its answer is lost it fails with `StoreUnavailable`, and may have been made. All else is sent
 * again when the session is back, as long as `commandTimeout` allows.
 *
 * No session holds anything, so a pooler of transactions may stand in front. Notifications do not come through one: give
 * `directUrl` for the session that listens, or watches look again once a second.
 *
 * **Gotchas**
 *
 * - A standby that replicates asynchronously may not know the last commits: after a failover to it conditional writes on their
 *   revisions conflict, and watches that were told them fail with `Compacted`.
 * - The last `history` changes are kept with their values: count their bytes twice.
 * - A step of the server's clock forward ends leases early.
 * - Transactions that commit with a notification do so one after another in the whole server: each call that changes a key is
 *   one.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { KvStore, Lease } from "heddle/coordination"
import { ensureTables } from "./internal/ensureTables.ts"
import { kvNeeds, kvSql } from "./internal/kvSql.ts"
import { kvSteps } from "./internal/kvSteps.ts"
import * as Postgres from "./Postgres.ts"

/**
 * How the keys are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  /** The schema that the tables are in; stores with the same one share their keys. Default `heddle`. */
  readonly schema?: string | undefined
  /**
   * How many of the last revisions can be watched from, at least: 1 to 1,000,000,000, the same for all who share the store.
   * Default 10,000.
   */
  readonly history?: number | undefined
}

/**
 * How the keys are kept, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends StoreOptions, Postgres.Options {}

type Services = KvStore.KvStore | KvStore.KvTransactions

/**
 * Keeps keys on sessions that other stores may share. Makes the schema if it is not there; fails when it may not, or may not
 * use it.
 *
 * **Interruption**
 *
 * Closing waits for leases that are on their way back, for a second at most.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  options: StoreOptions = {}
): Layer.Layer<Services, Lease.StoreUnavailable, Postgres.Postgres> =>
  KvStore.layerOf({
    backend: "postgres",
    steps: () =>
      Effect.flatMap(Postgres.Postgres, (postgres) => {
        const { history = 10_000, schema = "heddle" } = options
        if (!Number.isInteger(history) || history < 1 || history > 1e9) return Effect.fail(noHistory)
        // Where nothing can be heard of commits, they are looked for more often.
        const recheck = postgres.pooling === "transactions" ? 1000 : 5000
        return Effect.andThen(
          ensureTables(postgres, kvNeeds(schema)),
          kvSteps(postgres, { schema, history, recheck })
        )
      })
  })

const noHistory = new Lease.StoreUnavailable({
  backend: "postgres",
  message: "history must be a whole number from 1 to 1,000,000,000"
})

/**
 * Keeps keys on a server, with sessions of its own: one for statements, one that listens while somebody watches.
 *
 * **Details**
 *
 * Fails with `StoreUnavailable`, which says what to do: see `Postgres.layer`.
 *
 * **Example**
 *
 * ```ts no-run
 * import { PostgresKvStore } from "@heddle/postgres"
 * import { Effect } from "effect"
 * import { KvStore } from "heddle/coordination"
 *
 * const program = Effect.flatMap(KvStore.KvStore, (store) => store.put("node/a", new Uint8Array([1]), { ttl: "1 minute" }))
 * await Effect.runPromise(program.pipe(
 *   Effect.provide(PostgresKvStore.layer({ url: "postgres://app@localhost/app" }))
 * ))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Services, Lease.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Postgres.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Services, Lease.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/**
 * What the layer makes in the database, as one statement: for a migration of your own, where the app's user may not create
 * anything. Grant that user usage on the schema, and select, insert, update, delete on all its tables.
 *
 * @category migrating
 * @since 0.1.0
 */
export const sql = (schema = "heddle"): string => kvSql(schema)
