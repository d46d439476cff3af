/**
 * Keeps leases as session-level advisory locks of a PostgreSQL server: exclusive ones, and those of a read-write lock.
 *
 * **When to use**
 *
 * For locks that must be as fast as the server's own, and free at once when their process dies. `PostgresLeaseStore` has
 * semaphores, elections and memberships as well, and lets leases outlive a connection and a restart of the server.
 *
 * **Details**
 *
 * The truth lives in the server's memory, as `pg_locks` shows it. A resource is a number there, the first 8 bytes of a SHA-256
 * digest; two names with one number are told apart by a row in the database, and the second is refused. Free locks are taken on
 * a session that all claims with the same ttl share. A claim that must wait does so in the server's own line, on a session of
 * its own, in order of arrival; there at once, if the lock was refused a moment ago. There are at most `waiters` such sessions,
 * and further claims of the same process stand in line in it.
 *
 * A lease lasts as long as its session. The session's `idle_session_timeout` is the ttl and the holder sends beats, so the
 * server ends the session of a process that stands still, and gives its locks to others. When the connection is gone the
 * leases on it are lost at once, and the sections under them are interrupted.
 *
 * A token is the next number of a sequence, drawn after the lock was taken, in the same statement; the server's timeline
 * counts for more, so tokens grow also over a failover. Whose clock: the server's, for how long a session is silent; no time of
 * day is looked at.
 *
 * **Gotchas**
 *
 * - Claims for part of the permits, values and resizing are refused with `InvalidClaim`; the layer's type does not promise them.
 * - Nothing outlives the server: after a crash or a failover all locks are free. Holders learn so by their connections, or, if
 *   the network was cut at the same time, at their deadline: until then another may be let in. Tokens then still grow.
 * - Each session is a connection of the server: one for each ttl, and up to `waiters`.
 * - A pooler of transactions cannot be in front: give its server's address as `directUrl`.
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
import { ensureAdvisorySchema } from "./internal/advisorySchema.ts"
import { advisorySql } from "./internal/advisorySql.ts"
import { advisorySteps } from "./internal/advisoryStore.ts"
import * as Postgres from "./Postgres.ts"

/**
 * How the leases are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  /** The schema that the sequence is in; stores with the same one share their resources. Default `heddle`. */
  readonly schema?: string | undefined
  /** Who claims, as `inspect` shows it in this process, where the claim does not say. Default `<hostname>:<pid>`. */
  readonly owner?: string | undefined
  /** How many sessions wait for locks, or hold those that they waited for, at most. Default 10. */
  readonly waiters?: number | undefined
  /** How often it is learnt who still waits, and what `changes` shows of other processes. Default 1 second. */
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
 * What the layer promises.
 *
 * @category models
 * @since 0.1.0
 */
export type Provides = LeaseStore.LeaseStore | LeaseAbility.Fenced | LeaseAbility.Shared

/**
 * Keeps leases beside other stores on one server.
 *
 * **Interruption**
 *
 * Closing ends the sessions, and the server frees what they hold.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  options: StoreOptions = {}
): Layer.Layer<Provides, Lease.StoreUnavailable, Postgres.Postgres> =>
  Layer.mergeAll(
    LeaseAbility.Fenced.layer,
    LeaseAbility.Shared.layer,
    Layer.effect(
      LeaseStore.LeaseStore,
      Effect.flatMap(Postgres.Postgres, (postgres) => {
        const { owner = `${hostname()}:${process.pid}`, schema = "heddle", waiters = 10 } = options
        const heartbeat = Duration.toMillis(options.heartbeat ?? "1 second")
        const { timeout } = postgres
        const steps = advisorySteps(postgres, { schema, heartbeat, waiters })
        return Effect.andThen(
          ensureAdvisorySchema(postgres, schema),
          LeaseStore.make({ backend: "postgres-advisory", owner, timeout, steps })
        )
      })
    )
  )

/**
 * Keeps leases on a server, with sessions of its own.
 *
 * **Details**
 *
 * Fails with `StoreUnavailable`, which says what to do: see `Postgres.layer`; also where a pooler of transactions is in front.
 *
 * **Example**
 *
 * ```ts no-run
 * import { PostgresAdvisoryLeaseStore } from "@heddle/postgres"
 * import { Effect } from "effect"
 * import { DistributedLock } from "heddle/coordination"
 *
 * const program = DistributedLock.withLock("invoice/42")(Effect.void).pipe(
 *   Effect.provide(PostgresAdvisoryLeaseStore.layer({ url: "postgres://app@localhost/app" }))
 * )
 * await Effect.runPromise(program)
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Provides, Lease.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Postgres.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Provides, Lease.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/**
 * What the layer makes in the database, as one statement: for a migration of your own, where the app's user may not create
 * anything. Grant that user usage on the schema and on the sequence `advisory_fence`, and select, insert, update, delete on
 * the table `advisory_key`.
 *
 * @category migrating
 * @since 0.1.0
 */
export const sql = (schema = "heddle"): string => advisorySql(schema)
