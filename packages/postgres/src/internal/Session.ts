import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { connect, type NetConnectOpts, type Socket } from "node:net"
import { type Executor, Wire } from "./Wire.ts"

/** How a session is opened; the url is complete. */
export interface SessionConfig extends Pick<PgConnection.Config, "password" | "ssl" | "multiplex" | "prepare"> {
  readonly url: Redacted.Redacted
  /** Milliseconds. */
  readonly connectTimeout: number
}

/** A session and its socket, which tells at once when the connection ends, and can be ended from this side at once. */
export interface Session {
  readonly connection: PgConnection.PgConnection
  readonly socket: Socket
  /** Completes when the connection has ended, whoever ended it. */
  readonly closed: Effect.Effect<void>
  /**
   * Speaks to the server without `connection` from now on, whether the statements of a tick travel together or not; undefined
   * where TLS is between.
   */
  readonly wire: (together: boolean) => Executor | undefined
}

/** Where a url leads to; undefined where it is none. */
export const addressOf = (url: string): NetConnectOpts | undefined => {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^postgres(ql)?:$/.test(parsed.protocol)) return undefined
  const name = parsed.hostname.replace(/^\[(.*)\]$/, "$1")
  const host = parsed.searchParams.get("host") ?? (name === "" ? "localhost" : decodeURIComponent(name))
  const port = Number(parsed.searchParams.get("port") ?? (parsed.port === "" ? 5432 : parsed.port))
  return host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port, noDelay: true }
}

/** How long (ms) a server has for the farewell of a session before its connection is cut. */
const farewell = 1000

/**
 * Opens a session, for as long as the scope is open.
 *
 * **Interruption**
 *
 * Gives the attempt up at once. A query on the session that is interrupted may be waited for until its connection ends:
 * whoever interrupts one on a server that may be silent ends the connection first.
 */
export const open = (config: SessionConfig): Effect.Effect<Session, SqlError, Scope.Scope> => {
  const address = addressOf(Redacted.value(config.url))
  if (address === undefined) return Effect.fail(noAddress)
  return Effect.suspend(() => {
    let first: Socket | undefined
    // A cancellation takes this way too, on a socket of its own.
    const stream = () => {
      const socket = connect(address)
      socket.setKeepAlive(true, 10_000)
      first ??= socket
      return socket
    }
    const make = PgConnection.make({ applicationName: "heddle", ...config, stream })
    return Effect.addFinalizer(() => Effect.sync(() => leave(first))).pipe(
      Effect.andThen(make),
      Effect.flatMap((connection) =>
        first === undefined ? Effect.fail(noAddress) : Effect.succeed({ connection, socket: first })
      ),
      Effect.map(({ connection, socket }) => ({
        connection,
        socket,
        closed: closed(socket),
        wire: (together: boolean) => Wire.takeOver(socket, together)
      }))
    )
  })
}

/** The connection has said goodbye; it does not keep the process alive, nor is it kept by a server that is silent. */
const leave = (socket: Socket | undefined): void => {
  if (socket === undefined || socket.destroyed) return
  socket.unref()
  const timer = setTimeout(() => socket.destroy(), farewell).unref()
  socket.once("close", () => clearTimeout(timer))
}

const closed = (socket: Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const end = () => resume(Effect.void)
    if (socket.destroyed) return end()
    socket.once("close", end)
    return Effect.sync(() => socket.off("close", end))
  })

const noAddress = new SqlError({
  reason: new ConnectionError({
    cause: new Error("not an address"),
    message: "the url of PostgreSQL is not an address: write postgres://user:password@host:port/database"
  })
})
