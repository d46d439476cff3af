import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { Lease } from "heddle/coordination"
import type { Session } from "./Session.ts"

/**
 * Who stands between the client and the server. A pooler of sessions gives each client a server's session as long as it is
 * connected, one of transactions only as long as a transaction lasts.
 */
export type Pooling = "none" | "sessions" | "transactions"

const question = `
select current_setting('server_version_num')::int4, current_setting('server_encoding'), pg_is_in_recovery(),
  current_setting('default_transaction_isolation'), pg_backend_pid()`

const oldest = 140_000

/** Looks whether the server can do what is asked of it, and who stands before it. */
export const probe = (
  where: string,
  open: Effect.Effect<Session, SqlError, Scope.Scope>
): Effect.Effect<Pooling, Lease.StoreUnavailable | SqlError, Scope.Scope> =>
  Effect.gen(function*() {
    const refuse = (why: string) =>
      new Lease.StoreUnavailable({ backend: "postgres", message: `PostgreSQL at ${where} ${why}` })
    const session = yield* open
    const [row = []] = yield* session.connection.queryValues(question, [], false)
    const [version, encoding, standby, isolation, pid] = row
    if (Number(version) < oldest) {
      return yield* refuse(`is version ${Math.floor(Number(version) / 10_000)}: Heddle needs 14 or newer`)
    }
    if (standby === true) return yield* refuse("is a standby: connect to the primary")
    if (encoding !== "UTF8") {
      return yield* refuse(`encodes as ${String(encoding)}: use a database with the encoding UTF8`)
    }
    if (isolation !== "read committed") {
      return yield* refuse(
        `begins transactions as "${
          String(isolation)
        }": let this user have default_transaction_isolation = 'read committed'`
      )
    }
    // A pooler answers for the server with an id of its own.
    return pid === session.connection.processId ? "none" : yield* poolingOf(session, pid, open)
  })

/** Holds a transaction open beside the session: if the session has moved to another process, or its process has, it is shared. */
const poolingOf = (session: Session, pid: unknown, open: Effect.Effect<Session, SqlError, Scope.Scope>) =>
  Effect.gen(function*() {
    const other = yield* open
    const pidOf = ({ connection }: Session) =>
      Effect.map(connection.queryValues("select pg_backend_pid()", [], false), ([row]) => row?.[0])
    yield* other.connection.queryValues("begin", [], false)
    const theirs = yield* pidOf(other)
    if (theirs === pid) return "transactions"
    return (yield* pidOf(session)) === pid ? "sessions" : "transactions"
  })
