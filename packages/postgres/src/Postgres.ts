/**
 * The sessions on a PostgreSQL server that stores share, set up so that a lock is safe on them.
 *
 * They are never taken from the app's own pool, so that whoever holds a lock can always query, and the app's `SqlClient` can
 * be whatever it is. A statement is sent once and never again by itself. One that cannot be sent now fails now. A session on
 * which nothing comes back is replaced.
 *
 * @since 0.1.0
 */
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { Lease } from "heddle/coordination"
import type { ConnectionOptions } from "node:tls"
import * as Link from "./internal/Link.ts"
import { type Pooling, probe } from "./internal/probe.ts"
import { addressOf, open, type Session, type SessionConfig } from "./internal/Session.ts"
import { unavailable } from "./internal/unavailable.ts"

export { fenced, type FencedOptions, fenceSql, StaleToken } from "./internal/fencedWrite.ts"
export { type TransactionLockOptions, withTransactionLock } from "./internal/transactionLock.ts"

/**
 * One session for statements, which all share, and as many more as are asked for.
 *
 * @category services
 * @since 0.1.0
 */
export class Postgres extends Context.Service<Postgres, {
  /** The longest that one step takes, in milliseconds. */
  readonly timeout: number
  /** Who stands between this client and the server. */
  readonly pooling: Pooling
  /**
   * Runs a statement on the shared session; those of one tick travel together. Its rows are arrays of columns. It does not
   * wait for locks for longer than a quarter of `timeout`, or its session may count as silent.
   *
   * **Interruption**
   *
   * The statement is carried out all the same, and its answer is dropped.
   */
  readonly run: (sql: string, params?: ReadonlyArray<unknown>) => Effect.Effect<Link.Rows, SqlError>
  /** Whether there is a shared session now. */
  readonly isUp: () => boolean
  /** One more session for statements, replaced as the shared one is, until the scope closes. It is down until it is there. */
  readonly another: Effect.Effect<Pick<Link.Link, "run" | "isUp">, never, Scope.Scope>
  /** Calls back each time the shared session has been replaced, until the scope closes. */
  readonly onUp: (listener: () => void) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Listens on a channel, with a session of its own that is replaced when it ends, until the scope closes. `onReady` tells
   * each time it listens, the first time too: what was notified before is missed. Answers whether anything can be heard: not
   * through a pooler of transactions, unless the layer was given a `directUrl`.
   */
  readonly listen: (
    channel: string,
    on: { readonly message: (payload: string) => void; readonly ready: () => void }
  ) => Effect.Effect<boolean, Lease.StoreUnavailable, Scope.Scope>
  /**
   * Opens a session of one's own, for as long as the scope is open; on `directUrl`, if it was given. Not through a pooler of
   * transactions.
   *
   * **Details**
   *
   * For many statements at once, those of a tick travel together, without waiting for each other's answers; for one, a
   * statement leaves as soon as it is asked and the one before it was answered.
   *
   * **Interruption**
   *
   * Of many, a statement is carried out all the same; the one is cancelled, and the interruption waits for that.
   */
  readonly open: (statements: "many" | "one") => Effect.Effect<Session, Lease.StoreUnavailable, Scope.Scope>
  /** What a failure means to a caller of a store. */
  readonly failure: (error: SqlError) => Lease.StoreUnavailable
}>()("heddle/Postgres") {}

/**
 * Where the server is, and how long to wait for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** `postgres://user:password@host:port/database`, with `sslmode=require` for TLS, as libpq reads it. */
  readonly url: string | Redacted.Redacted
  /** The password, if it is not in the url. */
  readonly password?: Redacted.Redacted | undefined
  /** Speaks TLS with these settings, as `node:tls` takes them. */
  readonly ssl?: ConnectionOptions | undefined
  /** The server's own address where `url` leads to a pooler of transactions, for a session that listens. */
  readonly directUrl?: string | Redacted.Redacted | undefined
  /** How long to try to connect before the layer fails. Default 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** The longest that one step takes. A session that is silent for half of it is replaced. Default 5 seconds. */
  readonly commandTimeout?: Duration.Input | undefined
}

/**
 * Connects, and closes all sessions with the layer.
 *
 * **Details**
 *
 * Fails with `StoreUnavailable`, which says what to do, when the server cannot be reached, refuses the login, is older than
 * 14 or a standby, or the database is not what the stores need.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Postgres, Lease.StoreUnavailable> =>
  Layer.effect(Postgres, make(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Postgres, Lease.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

const make = (options: Options): Effect.Effect<Postgres["Service"], Lease.StoreUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    const { password, ssl } = options
    const timeout = Duration.toMillis(options.commandTimeout ?? "5 seconds")
    const config: SessionConfig = {
      url: redacted(options.url),
      connectTimeout: Duration.toMillis(options.connectTimeout ?? "5 seconds"),
      multiplex: true,
      ...(password === undefined ? {} : { password }),
      ...(ssl === undefined ? {} : { ssl })
    }
    const where = placeOf(config.url)
    const failure = (error: SqlError) => unavailable(where, error)
    const pooling = yield* probe(where, open({ ...config, prepare: false })).pipe(
      Effect.scoped,
      Effect.timeoutOrElse({ duration: config.connectTimeout, orElse: () => Effect.fail(silent(where)) }),
      Effect.catchTag("SqlError", (error) => Effect.fail(failure(error)))
    )
    // A named statement is known to one session of the server, not to the next that a pooler gives.
    const prepare = pooling === "none"
    const statements: Link.Options = {
      open: open({ ...config, prepare }),
      prepare: ({ connection }) => Effect.succeed(connection),
      timeout
    }
    const link = yield* Effect.mapError(Link.make(statements), failure)
    const direct = options.directUrl === undefined ? config.url : redacted(options.directUrl)
    const own = { ...config, url: direct, prepare: prepare || direct !== config.url }
    const directly = (error: SqlError) => unavailable(placeOf(direct), error)
    const shared = pooling === "transactions" && direct === config.url
    return {
      timeout,
      pooling,
      failure,
      run: (sql, params) => link.run(sql, params),
      isUp: () => link.isUp(),
      another: Link.makeDown(statements),
      onUp: (listener) =>
        Effect.acquireRelease(
          Effect.sync(() => void link.ups.add(listener)),
          () => Effect.sync(() => void link.ups.delete(listener))
        ),
      listen: (channel, { message, ready }) =>
        shared
          ? Effect.succeed(false)
          : Link.make(
            { open: open({ ...own, multiplex: false }), prepare: listening(channel, message), timeout },
            ready
          ).pipe(Effect.mapError(directly), Effect.as(true)),
      open: (statements) =>
        shared
          ? Effect.fail(unheld(where))
          : Effect.mapError(open({ ...own, multiplex: statements === "many" }), directly)
    }
  })

const listening = (channel: string, message: (payload: string) => void) => ({ connection, socket }: Session) =>
  Effect.gen(function*() {
    const pinned: PgConnection = yield* connection.pin
    const heard = yield* pinned.listen(channel)
    const next = Effect.map(Queue.take(heard), ({ payload }) => message(payload))
    yield* Effect.forkScoped(Effect.ignore(Effect.forever(next)))
    // First of all: the farewell of a channel would wait for a server that may be silent.
    yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
    return pinned
  })

const redacted = (url: string | Redacted.Redacted): Redacted.Redacted =>
  typeof url === "string" ? Redacted.make(url) : url

/** The address without the password. */
const placeOf = (url: Redacted.Redacted): string => {
  const address = addressOf(Redacted.value(url))
  if (address === undefined) return "nowhere"
  return "path" in address ? address.path : `${address.host}:${address.port}`
}

const unheld = (where: string): Lease.StoreUnavailable =>
  new Lease.StoreUnavailable({
    backend: "postgres",
    message: `PostgreSQL at ${where} is behind a pooler of transactions, which keeps no session for a client: `
      + "give the server's own address as directUrl"
  })

const silent = (where: string): Lease.StoreUnavailable =>
  new Lease.StoreUnavailable({
    backend: "postgres",
    message: `PostgreSQL at ${where} did not answer in time: see whether it is paused, overloaded or cut off`
  })
