import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Lease } from "heddle/coordination"
import { numberOf } from "./advisoryKeys.ts"

/**
 * How to lock for a transaction.
 *
 * @category models
 * @since 0.1.0
 */
export interface TransactionLockOptions {
  /** How long to wait for the lock; 0 asks once, `Infinity` waits for ever. It does not bound the work. Default 30 seconds. */
  readonly waitFor?: Duration.Input | undefined
  /** The schema that `PostgresAdvisoryLeaseStore` was given. Default `heddle`. */
  readonly schema?: string | undefined
}

/**
 * Runs the section in a transaction of the app's own `SqlClient` that holds a lock on a key until it commits or rolls back
 * (`pg_advisory_xact_lock`).
 *
 * **When to use**
 *
 * Where all that the lock guards is written in this transaction. It takes no session beside the app's own, works behind any
 * pooler, and cannot be lost: what was written commits under the lock or not at all, so there is no token. A section that does
 * more than write here, or for longer than a transaction should last, wants `DistributedLock`.
 *
 * **Details**
 *
 * Inside of `withTransaction` it joins the transaction, and the lock lasts until that ends; a failure of the section rolls back
 * to where it began. It excludes `DistributedLock.withLock` of the same key on `PostgresAdvisoryLeaseStore`. Waiters are
 * served in order of arrival. One round trip beside those of the transaction.
 *
 * **Gotchas**
 *
 * Whoever waits occupies a connection of the app's pool. Transactions that lock several keys must do so in one order. Above
 * `read committed` a transaction sees what was committed before its first statement: let the lock be the first, and repeat what
 * fails to serialize.
 *
 * **Interruption**
 *
 * Leaves the server's line and rolls back.
 *
 * **Example**
 *
 * ```ts
 * import { Postgres } from "@heddle/postgres"
 * import { Effect } from "effect"
 * import { SqlClient } from "effect/sql/SqlClient"
 *
 * const pay = Effect.gen(function*() {
 *   const sql = yield* SqlClient
 *   yield* sql`update invoice set paid = true where id = 42 and not paid`
 * }).pipe(Postgres.withTransactionLock("invoice/42", { waitFor: "2 seconds" }))
 *
 * Effect.isEffect(pay) // => true
 * ```
 *
 * @category transactions
 * @since 0.1.0
 */
export const withTransactionLock = (key: string, options: TransactionLockOptions = {}) =>
<A, E, R>(
  section: Effect.Effect<A, E, R>
): Effect.Effect<A, E | Lease.InvalidClaim | Lease.LeaseTimeout | SqlError, R | SqlClient> =>
  Effect.flatMap(SqlClient, (sql): Effect.Effect<A, E | Lease.InvalidClaim | Lease.LeaseTimeout | SqlError, R> => {
    const { schema = "heddle" } = options
    const wait = toMillis(options.waitFor ?? 30_000)
    if (key.length < 1 || key.length > 1000 || !key.isWellFormed()) return invalid("key", "1 to 1,000 characters")
    if (!(wait >= 0)) return invalid("waitFor", "a duration of 0 or more")
    return sql.withTransaction(Effect.andThen(lock(sql, key, numberOf(schema, `lock/${key}`), wait), section))
  })

const toMillis = (input: Duration.Input): number =>
  typeof input === "number"
    ? input
    : Option.match(Duration.fromInput(input), { onNone: () => NaN, onSome: Duration.toMillis })

const invalid = (field: string, what: string) =>
  Effect.fail(new Lease.InvalidClaim({ field, message: `${field} must be ${what}` }))

const lock = (sql: SqlClient, key: string, number: bigint, wait: number) =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const start = clock.currentTimeMillisUnsafe()
    const timeout = Effect.suspend(() =>
      Effect.fail(new Lease.LeaseTimeout({ resource: key, waitedMillis: clock.currentTimeMillisUnsafe() - start }))
    )
    if (wait === 0) {
      const [taken] = yield* sql.unsafe(attempt, [number]).values
      return taken?.[0] === true ? undefined : yield* timeout
    }
    // 0 is for ever, and a tenth of a millisecond would be read as that.
    const most = wait === Infinity ? 0 : Math.min(Math.ceil(wait), 2 ** 31 - 1)
    yield* Effect.catchIf(
      sql.unsafe(bounded, [`${most}ms`, number]).values,
      ({ reason }) => reason._tag === "LockTimeoutError",
      () => timeout
    )
  })

const attempt = "select pg_try_advisory_xact_lock($1::int8)"

/** Waits within a limit that holds for this statement alone. What a statement selects is computed from left to right. */
const bounded = `
with before as materialized (select current_setting('lock_timeout') as timeout)
select set_config('lock_timeout', $1, true), pg_advisory_xact_lock($2::int8)::text,
  set_config('lock_timeout', before.timeout, true)
from before`
