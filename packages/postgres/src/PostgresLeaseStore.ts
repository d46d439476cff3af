/**
 * Keeps leases in tables of a PostgreSQL database.
 *
 * **Details**
 *
 * The truth lives in the tables `lease…` of a schema of its own, on the primary: a row for each resource that somebody holds
 * or waits for, and one for each holder beyond the first and each waiter. They go when nobody needs them any more. What a
 * dead process leaves is removed by the others, within a minute after it has ended.
 *
 * The clock is the server's. All operations of one tick travel in one call of one function, and a resource is locked for as
 * long as that call lasts (`pg_advisory_xact_lock`). A release names the next waiter that is alive, gives it the permits and a
 * token, and notifies its process: nobody polls. A waiter asks again every `heartbeat`: one that has not for three of them
 * counts as dead and is skipped. A lost notification therefore costs at most a heartbeat.
 *
 * No session holds anything, so a pooler of transactions may stand in front. Notifications do not come through one: give
 * `directUrl` for the one session that listens, or waiters look again once a heartbeat.
 *
 * A token is the server's time in microseconds, or one more than the last if that is greater: tokens grow also when the
 * row is gone or the data is lost.
 *
 * **Gotchas**
 *
 * - A standby that replicates asynchronously may not know a lease that was granted: after a failover to it the next holder may
 *   be let in while the first still runs. Tokens then still grow: send them with each write.
 * - A step of the server's clock forward ends leases early. A step backward longer than a resource was free can repeat tokens.
 * - A release that does not arrive is sent again when the session is back; if the process ends before, or the server crashes
 *   in the moment after a release, the ttl frees the permits.
 * - Transactions that commit with a notification do so one after another in the whole server: hand-overs between processes are
 *   such commits, all else is not.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Lease } from "heddle/coordination"
import { LeaseAbility, LeaseStore } from "heddle/coordination"
import { hostname } from "node:os"
import { ensureTables } from "./internal/ensureTables.ts"
import { leaseNeeds } from "./internal/leaseSchema.ts"
import { leaseSql } from "./internal/leaseSql.ts"
import { postgresSteps } from "./internal/leaseSteps.ts"
import * as Postgres from "./Postgres.ts"

/**
 * How the leases are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  /** The schema that the tables are in; stores with the same one share their resources. Default `heddle`. */
  readonly schema?: string | undefined
  /** Who claims, as `inspect` shows it, where the claim does not say. Default `<hostname>:<pid>`. */
  readonly owner?: string | undefined
  /** How often a waiter tells that it is alive; after three of them without a word it is dead. Default 1 second. */
  readonly heartbeat?: Duration.Input | undefined
}

/**
 * How the leases are kept, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends StoreOptions, Postgres.Options {}

/**
 * Keeps leases on sessions that other stores may share. Makes the schema if it is not there; fails when it may not, or may not
 * use it.
 *
 * **Interruption**
 *
 * Closing waits for releases that are on their way, for a second at most.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  options: StoreOptions = {}
): Layer.Layer<LeaseStore.LeaseStore | LeaseAbility.All, Lease.StoreUnavailable, Postgres.Postgres> =>
  Layer.merge(
    LeaseAbility.layerAll,
    Layer.effect(
      LeaseStore.LeaseStore,
      Effect.flatMap(Postgres.Postgres, (postgres) => {
        const { owner = `${hostname()}:${process.pid}`, schema = "heddle" } = options
        const heartbeat = Duration.toMillis(options.heartbeat ?? "1 second")
        const { timeout } = postgres
        const steps = postgresSteps(postgres, { schema, owner, heartbeat })
        return Effect.andThen(
          ensureTables(postgres, leaseNeeds(schema)),
          LeaseStore.make({ backend: "postgres", owner, timeout, steps })
        )
      })
    )
  )

/**
 * Keeps leases on a server, with sessions of its own: one for statements, one that listens.
 *
 * **Details**
 *
 * Fails with `StoreUnavailable`, which says what to do: see `Postgres.layer`.
 *
 * **Example**
 *
 * ```ts no-run
 * import { PostgresLeaseStore } from "@heddle/postgres"
 * import { Effect } from "effect"
 * import { DistributedLock } from "heddle/coordination"
 *
 * const program = DistributedLock.withLock("invoice/42")(Effect.void).pipe(
 *   Effect.provide(PostgresLeaseStore.layer({ url: "postgres://app@localhost/app" }))
 * )
 * await Effect.runPromise(program)
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<LeaseStore.LeaseStore | LeaseAbility.All, Lease.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Postgres.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<LeaseStore.LeaseStore | LeaseAbility.All, Lease.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/**
 * What the layer makes in the database, as one statement: for a migration of your own, where the app's user may not create
 * anything. Grant that user usage on the schema, and select, insert, update, delete on all its tables.
 *
 * @category migrating
 * @since 0.1.0
 */
export const sql = (schema = "heddle"): string => leaseSql(schema)
