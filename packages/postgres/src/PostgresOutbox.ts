/**
 * Keeps what is to be sent in a table of the app's database, in the transaction that it belongs to, and sends it afterwards, in order.
 *
 * A transaction cannot span a database and a broker: a message that is sent before the commit may tell of what never was, and one that
 * is sent after it is lost when the process dies between. A row of the outbox is there when the transaction is committed, and is moved
 * until that has worked.
 *
 *     transaction ── order row ─┬─ commit ──▶ relay (one of all processes) ── send 1, send 2 … ──▶ broker, job store
 *                 └─ outbox row ┘                         └─ removes what was sent
 *
 * **When to use**
 *
 * For topics, and for queues on another server. Jobs on the same PostgreSQL need none: `PostgresJobStore.layerTransactional`.
 *
 * **Details**
 *
 * Of all processes that relay a name one does, the one whose session holds an advisory lock; the others ask once a second whether it is
 * gone. Rows go in the order in which they were added, as far as anybody can tell: of two whose transactions overlapped either may be
 * first, and whoever has seen a commit adds behind it. A row waits while a transaction runs that began to write before its own did.
 *
 * **Gotchas**
 *
 * - A row is sent at least once: a relay that dies between a send and its removal leaves both to the next. Send the row's `id` along.
 * - A transaction that stays open after it has written, anywhere in the server, holds back what others add meanwhile.
 * - The relay needs a session of its own: not through a pooler of transactions.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Lease } from "heddle/coordination"
import { InvalidOption } from "heddle/messaging"
import { ensureOnce } from "./internal/ensureOnce.ts"
import { ensureTables } from "./internal/ensureTables.ts"
import { kvListen } from "./internal/kvListen.ts"
import { outboxCounts } from "./internal/outboxMetrics.ts"
import { lead } from "./internal/outboxRelay.ts"
import { addSql, outboxChannel, outboxNeeds, outboxSql } from "./internal/outboxSql.ts"
import { Postgres } from "./Postgres.ts"

/**
 * What an outbox carries, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A> {
  /** Rows of different names are moved independently of each other. */
  readonly name: string
  readonly payload: Schema.Codec<A, unknown>
  /** The schema that the table `outbox` is in. Default `heddle`. */
  readonly schema?: string | undefined
}

/**
 * Sends a row. `id` is the same each time that the row is sent: let the receiver drop what it has seen.
 *
 * @category models
 * @since 0.1.0
 */
export type Send<A, E, R> = (value: A, row: { readonly id: string }) => Effect.Effect<unknown, E, R>

/**
 * How rows are moved.
 *
 * @category models
 * @since 0.1.0
 */
export interface RelayOptions<E> {
  /** How many rows are read, and removed, together, 1 to 10,000. So many may be sent twice. Default 100. */
  readonly batch?: number | undefined
  /** When a row that could not be sent is sent again; where the schedule ends the relay begins anew. Default: after 100 ms, 200 ms … up to 10 seconds, for ever. */
  readonly retry?: Schedule.Schedule<unknown, E> | undefined
}

/**
 * An outbox of typed values.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outbox<A> {
  readonly name: string
  /** Adds values in order, in the transaction of the app's `SqlClient` that this runs in. */
  readonly add: (values: ReadonlyArray<A>) => Effect.Effect<void, Schema.SchemaError | SqlError, SqlClient>
  /**
   * Sends what is added, one after another, in the background until the scope closes. A row that does not decode is set aside in the
   * table, with the reason in the column `refused`, and a warning.
   *
   * **Interruption**
   *
   * Ends with the send that is on its way; it may have arrived, and is sent again by the next relay.
   */
  readonly relay: <E, R>(
    send: Send<A, E, R>,
    options?: RelayOptions<E>
  ) => Effect.Effect<void, InvalidOption | Lease.StoreUnavailable, Postgres | R | Scope.Scope>
}

/**
 * Describes an outbox.
 *
 * **Example** (Events of orders, to a topic)
 *
 * ```ts
 * import { PostgresOutbox } from "@heddle/postgres"
 * import { Effect, Schema } from "effect"
 * import { SqlClient } from "effect/sql/SqlClient"
 * import { Topic } from "heddle/messaging"
 *
 * const Event = Schema.Struct({ order: Schema.String, state: Schema.String })
 * const topic = Topic.make({ name: "orders", payload: Event })
 * const outbox = PostgresOutbox.make({ name: "orders", payload: Event })
 *
 * const pay = (order: string) =>
 *   Effect.flatMap(SqlClient, (sql) =>
 *     sql.withTransaction(Effect.andThen(
 *       sql`update orders set state = 'paid' where id = ${order}`,
 *       outbox.add([{ order, state: "paid" }])
 *     )))
 * const relay = outbox.relay((event, { id }) => topic.publish(event, { headers: { id } }))
 *
 * Effect.isEffect(Effect.andThen(relay, pay("7"))) // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>({ name, payload, schema = "heddle" }: Options<A>): Outbox<A> => {
  const codec = Schema.fromJsonString(Schema.toCodecJson(payload))
  const encode = Schema.encodeEffect(codec)
  const decode = Schema.decodeEffect(codec)
  return {
    name,
    add: (values) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const payloads = yield* Effect.forEach(values, (value) => encode(value))
        if (payloads.length === 0) return
        yield* ensureOnce(sql, schema, "outbox", outboxSql)
        yield* sql.unsafe(addSql(schema), [name, payloads])
      }),
    relay: <E, R>(send: Send<A, E, R>, { batch = 100, retry = doubling }: RelayOptions<E> = {}) =>
      Effect.gen(function*() {
        if (!(Number.isInteger(batch) && batch >= 1 && batch <= 10_000)) {
          return yield* new InvalidOption({ option: "batch", message: "batch must be a whole number from 1 to 10,000" })
        }
        const postgres = yield* Postgres
        yield* ensureTables(postgres, outboxNeeds(schema))
        const news = Latch.makeUnsafe(true)
        const wake = () => void news.openUnsafe()
        yield* yield* kvListen(postgres, outboxChannel(schema), { message: wake, ready: wake })
        const counts = outboxCounts(name)
        const moving = lead(postgres, {
          schema,
          name,
          batch,
          news,
          move: (text, id) =>
            Effect.matchEffect(decode(text), {
              onFailure: ({ message }) => Effect.as(counts.refused, message),
              onSuccess: (value) =>
                Effect.retry(send(value, { id }), retry).pipe(
                  Effect.tapError(() => counts.failed),
                  Effect.andThen(counts.sent),
                  Effect.as(undefined)
                )
            })
        })
        yield* moving.pipe(
          Effect.tapCause((cause) => Effect.logWarning(`outbox ${name} begins anew`, cause)),
          Effect.exit,
          Effect.repeat(Schedule.spaced("1 second")),
          Effect.forkScoped
        )
      })
  }
}

/**
 * What the relay makes in the database, as one statement: for a migration of your own, where the app's user may not create
 * anything. Grant that user usage on the schema, and select, insert, update, delete on the table.
 *
 * @category migrating
 * @since 0.1.0
 */
export const sql = (schema = "heddle"): string => outboxSql(schema)

const doubling = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("10 seconds")])
