import * as PgConnection from "@effect/sql-pg/PgConnection"
import { FaultProxy, Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type { Rows } from "../src/internal/Link.ts"

/** A server, a proxy in front of it that can be told to break, and a way beside the proxy. */
export const make = Effect.gen(function*() {
  const server = yield* Servers.postgres
  const proxy = yield* FaultProxy.make(server)
  return {
    server,
    proxy,
    url: server.url.replace(`:${server.port}/`, `:${proxy.port}/`),
    admin: adminOf(server.url)
  }
})

/** Runs a statement on a session of its own. */
export const adminOf = (url: string) => (sql: string, params: ReadonlyArray<unknown> = []): Effect.Effect<Rows> =>
  PgConnection.make({ url: Redacted.make(url) }).pipe(
    Effect.flatMap((connection) => connection.queryValues(sql, params, false)),
    Effect.scoped,
    Effect.orDie
  )

/** Waits for what must happen; only a hang reaches the deadline. */
export const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.timeout(effect, "50 seconds")

export const eventually = <E, R>(check: Effect.Effect<boolean, E, R>) =>
  inTime(Effect.repeat(check, { until: (yes) => yes, schedule: Schedule.spaced("5 millis") }))
