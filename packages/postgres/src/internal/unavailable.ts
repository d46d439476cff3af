import { ConnectionError, isSqlError, SqlError } from "effect/sql/SqlError"
import { Lease } from "heddle/coordination"

/** The code of a failure: an SQLSTATE of the server, or the code of a socket's error. */
export const codeOf = ({ reason: { cause } }: SqlError): string =>
  cause instanceof Error && "code" in cause ? String(cause.code) : ""

/**
 * Whether the same statement may succeed when it is sent again: the connection was lost, or the server has undone it for a
 * reason that passes.
 */
export const isPassing = (error: SqlError): boolean =>
  error.reason._tag === "ConnectionError" || /^(40001|40P01|55P03|57P0.|57014)$/.test(codeOf(error))

/** Whether what the statement names is not in the database. */
export const isMissing = (error: SqlError): boolean => missing.test(codeOf(error))

const missing = /^(42P01|42883|3F000)/

/** What a failed statement or connection means to the caller, and what to look at. */
export const unavailable = (where: string, error: SqlError): Lease.StoreUnavailable => {
  const { reason } = error
  const cause = reason.cause
  const code = codeOf(error)
  const text = [code, cause instanceof Error ? cause.message : "", error.message].filter((part) => part !== "").join(
    ": "
  )
  const found = meanings.find(([pattern]) => pattern.test(text))
  const said = cause instanceof Error && cause.message !== "" ? cause.message : error.message
  const message = `PostgreSQL at ${where} ${found === undefined ? `answered: ${said}` : `${found[1]} (${said})`}`
  // What failed to parse as a url hangs on the error, and the password with it.
  return new Lease.StoreUnavailable({ backend: "postgres", message, ...(code === "ERR_INVALID_URL" ? {} : { cause }) })
}

const meanings: ReadonlyArray<readonly [RegExp, string]> = [
  [
    /not an address|Invalid connection URL|percent-encoding|connection URL protocol|Invalid port/,
    "has no such address"
  ],
  [/^28|No password|SCRAM|MD5/, "refused the login: check the user, the password and pg_hba.conf"],
  [/^3D000/, "has no such database: create it, or correct the url"],
  [/^42501/, "does not let this user do that: grant it, see docs/backends/postgres.md"],
  [/^53300/, "has no connection left: raise max_connections, or let fewer processes connect"],
  [/^57P03/, "is starting up or shutting down: try again"],
  [/^25006/, "is read-only: connect to the primary"],
  [missing, "no longer has what the layer made in it: see who removes it"],
  [/^55P03/, "has had these rows locked for too long: see what hangs in pg_stat_activity"],
  [/TLS|SSL|certificate/i, "could not be spoken to over TLS: check sslmode and ssl"],
  [/timed out|silent/, "did not answer in time: see whether it is paused, overloaded or cut off"],
  [
    /^(08|57P|ECONN|ENOTFOUND|EAI_AGAIN|EHOST|ENET|EPIPE|ETIMEDOUT|ENOENT)|closed|not connected/,
    "cannot be reached: see whether it runs there and the network lets it through"
  ]
]

/** What any failure on the way means to a caller: that of a statement, or a word of our own. */
export const failureOf =
  (ofStatement: (error: SqlError) => Lease.StoreUnavailable) => (error: unknown): Lease.StoreUnavailable => {
    if (isSqlError(error)) return ofStatement(error)
    const cause = error instanceof Error ? error : new Error(String(error))
    return ofStatement(new SqlError({ reason: new ConnectionError({ cause, message: cause.message }) }))
  }
