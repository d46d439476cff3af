import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Lease } from "heddle/coordination"
import { ensureOnce } from "./ensureOnce.ts"
import { keyOf } from "./leaseOps.ts"
import { quoted, schemaSql } from "./leaseSql.ts"

/**
 * A later holder of the lease has written already: stop, the lease was lost.
 *
 * @category errors
 * @since 0.1.0
 */
export class StaleToken extends Schema.TaggedError<StaleToken>()("StaleToken", {
  resource: Schema.String,
  token: Schema.BigInt
}) {
  override get message(): string {
    return `a holder of ${this.resource} with a later token than ${this.token} has written: the lease was lost, stop`
  }
}

/**
 * Where the tokens are kept that have written.
 *
 * @category models
 * @since 0.1.0
 */
export interface FencedOptions {
  /** The schema of the table `fence`. Default `heddle`. */
  readonly schema?: string | undefined
}

/**
 * Runs writes in a transaction of the app's own `SqlClient`, unless a later holder of the lease has written: then it fails with
 * `StaleToken`, and nothing is written.
 *
 * **When to use**
 *
 * Around writes that a holder must not make who has lost its lease without knowing: after a long pause, after a failover. The
 * lease can be of any store, as long as its tokens grow.
 *
 * **Details**
 *
 * The latest token of each resource is a row of the table `fence`, compared and written in the same transaction: tokens 11, 11
 * and 9 are accepted, accepted and refused. The row stays locked until the transaction ends, so an older holder waits for the
 * outcome of a later one. Inside of `withTransaction` it joins the transaction. One round trip beside those of the transaction,
 * and at first use two more that make the table (`fenceSql`) if it is not there. Rows stay until you delete them, by `at`.
 *
 * **Interruption**
 *
 * Rolls back.
 *
 * **Example**
 *
 * ```ts
 * import { Postgres } from "@heddle/postgres"
 * import { Effect } from "effect"
 * import { SqlClient } from "effect/sql/SqlClient"
 * import { DistributedLock } from "heddle/coordination"
 *
 * const close = Effect.flatMap(SqlClient, (sql) => sql`update account set open = false where id = 7`)
 * const guarded = DistributedLock.withLock("account/7")((lease) => Postgres.fenced(lease)(close))
 *
 * Effect.isEffect(guarded) // => true
 * ```
 *
 * @category transactions
 * @since 0.1.0
 */
export const fenced =
  ({ resource, token }: Pick<Lease.Lease, "resource" | "token">, { schema = "heddle" }: FencedOptions = {}) =>
  <A, E, R>(writes: Effect.Effect<A, E, R>): Effect.Effect<A, E | StaleToken | SqlError, R | SqlClient> =>
    Effect.flatMap(SqlClient, (sql) => {
      const accept = Effect.flatMap(
        sql.unsafe(acceptSql(schema), [keyOf(resource), String(token)]).values,
        ([row]): Effect.Effect<void, StaleToken> =>
          row === undefined ? Effect.fail(new StaleToken({ resource, token })) : Effect.void
      )
      return Effect.andThen(
        ensureOnce(sql, schema, "fence", fenceSql),
        sql.withTransaction(Effect.andThen(accept, writes))
      )
    })

/**
 * Makes the table of `fenced`, as one statement: for a migration of your own, where the app's user may not create anything. Grant
 * that user usage on the schema, and select, insert, update on the table.
 *
 * @category migrating
 * @since 0.1.0
 */
export const fenceSql = (schema = "heddle"): string => `
do $do$
begin
  ${schemaSql(schema)}
  create table if not exists ${quoted(schema)}.fence (
    resource text collate "C" primary key, token numeric not null, at timestamptz not null default now());
end $do$`

const acceptSql = (schema: string): string => `
insert into ${quoted(schema)}.fence as f (resource, token) values ($1, $2::numeric)
on conflict (resource) do update set token = excluded.token, at = now() where f.token <= excluded.token
returning 1`
