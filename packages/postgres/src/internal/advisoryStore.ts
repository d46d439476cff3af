import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { Alarm, Lease, type LeaseBackend } from "heddle/coordination"
import type { Postgres } from "../Postgres.ts"
import { halvesOf } from "./advisoryKeys.ts"
import { AdvisoryLine } from "./AdvisoryLine.ts"
import { AdvisoryObservers, inspection } from "./advisoryLook.ts"
import { AdvisoryNames } from "./AdvisoryNames.ts"
import { AdvisoryPool } from "./AdvisoryPool.ts"
import { ensureAdvisorySchema } from "./advisorySchema.ts"
import { AdvisorySession } from "./AdvisorySession.ts"
import * as Sql from "./advisorySql.ts"
import { AdvisorySteps } from "./advisorySteps.ts"
import type { Rows } from "./Link.ts"
import { isMissing } from "./unavailable.ts"
import type { Executor } from "./Wire.ts"

export interface StepsOptions {
  readonly schema: string
  /** Milliseconds. */
  readonly heartbeat: number
  readonly waiters: number
}

/** The steps of a lease store on advisory locks, and what they stand on. */
export const advisorySteps = (postgres: Postgres["Service"], { heartbeat, schema, waiters }: StepsOptions) =>
(
  _session: string,
  revoked: (id: string) => void
): Effect.Effect<LeaseBackend.Steps, Lease.StoreUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    const { failure, timeout } = postgres
    const scope = yield* Scope.Scope
    const fork = yield* FiberSet.makeRuntime<never, void, never>()
    const names = Sql.namesOf(schema)
    const words = Sql.statementsOf(names)
    const alarm: Alarm.Alarm<never> = new Alarm.Alarm(
      yield* Clock.Clock,
      Effect.sync(() => Math.min(steps.look(), line.look(), pool.look()))
    )
    const now = () => alarm.now()
    const ring = (instant: number) => alarm.ring(instant)
    const late = new Lease.StoreUnavailable({ backend: "postgres", message: unanswered })

    const mend = ensureAdvisorySchema(postgres, schema)
    /** A server that has lost all it had begins anew. */
    const register = (number: bigint, name: string): Effect.Effect<Rows, Lease.StoreUnavailable> => {
      const once = postgres.run(Sql.register(names), [number, name])
      return Effect.catchIf(once, isMissing, () => Effect.andThen(mend, once)).pipe(
        Effect.catchTag("SqlError", (error) => Effect.fail(failure(error)))
      )
    }
    const run = (
      sql: string,
      params: ReadonlyArray<unknown>,
      done: (rows: Rows) => void,
      failed: (error: SqlError) => void
    ) => void fork(Effect.match(postgres.run(sql, params), { onSuccess: done, onFailure: failed }))

    const open = Effect.fnUntraced(function*(statements: "many" | "one") {
      const session = yield* postgres.open(statements)
      const [row = []] = yield* Effect.mapError(session.connection.queryValues(Sql.greeting), failure)
      const executor = session.wire(statements === "many") ?? through(session.connection, fork)
      return new AdvisorySession(session, Number(row[0]), Number(row[1]), { statements: words, executor, now })
    })
    const observers = new AdvisoryObservers()
    const pool: AdvisoryPool = new AdvisoryPool({
      open,
      scope,
      fork,
      now,
      ring,
      most: waiters,
      onClosed: (session) => {
        line.lost(session)
        steps.lost(session)
      },
      onFree: () => line.serve(),
      onUnavailable: (error) => line.unavailable(error)
    })
    const line: AdvisoryLine = new AdvisoryLine({
      pool,
      run,
      now,
      ring,
      timeout,
      heartbeat,
      failure,
      attempt: (place, done) => steps.attempt(place, done),
      onChange: ({ claim }) => observers.wake(claim.resource)
    })
    const numbers = new AdvisoryNames({
      schema,
      register: (number, name, done, failed) =>
        void fork(Effect.match(register(number, name), {
          onSuccess: ([row]) => done(String(row?.[0])),
          onFailure: failed
        }))
    })
    const inspect = (resource: string) =>
      Effect.map(
        Effect.suspend(() => {
          for (const place of steps.placesOf(resource)) line.seek(place)
          return postgres.run(Sql.look, [...halvesOf(numbers.numberOf(resource)), pool.pids])
        }),
        (others) => inspection(steps.placesOf(resource), others, now())
      ).pipe(Effect.mapError(failure))
    const steps: AdvisorySteps = new AdvisorySteps({
      pool,
      line,
      names: numbers,
      fork,
      now,
      ring,
      timeout,
      heartbeat,
      revoked,
      failure,
      late,
      mend,
      inspect,
      changes: (resource) => observers.changes(resource, inspect(resource), heartbeat),
      onChange: observers.wake
    })
    yield* Effect.forkScoped(alarm.run)
    return steps
  })

/** Where TLS is between, statements take the connection's own way. */
const through = (connection: PgConnection, fork: (effect: Effect.Effect<void>) => void): Executor => ({
  run: ({ column, sql }, numbers, done, failed) =>
    fork(Effect.match(connection.queryValues(sql, numbers), {
      onSuccess: ([row]) => {
        const read = column === undefined ? undefined : row?.[column]
        done(typeof read === "bigint" ? read : undefined)
      },
      onFailure: failed
    }))
})

const unanswered = "PostgreSQL did not answer in time: see whether it is paused, overloaded or cut off"
