import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import type { Postgres } from "../Postgres.ts"
import { ensureTables } from "./ensureTables.ts"
import { jobNeeds, jobVersion } from "./jobSql.ts"
import { quoted } from "./leaseSql.ts"
import type { Rows } from "./Link.ts"
import { isMissing, isPassing } from "./unavailable.ts"

type Session = Pick<Postgres["Service"], "run" | "isUp">

/** A function of the jobs' schema, with its parameters as SQL and as values. */
export type Call = readonly [name: string, params: string, given: ReadonlyArray<unknown>]

/** How the functions of the jobs' schema are called. */
export interface JobCalls {
  /** On the session for statements. `again`: sent anew also where it may have been carried out. */
  readonly run: (call: Call, again: boolean) => Effect.Effect<Rows, SqlError>
  /**
   * On a session for those who work, as the server has a process for each. It is opened in the background at the first call; until it is
   * there, and while it is replaced, that for statements serves.
   */
  readonly work: (call: Call) => Effect.Effect<Rows, SqlError>
}

/** A call waits for a session for as long as a step may take. */
export const jobCalls = (
  postgres: Postgres["Service"],
  schema: string,
  now: () => number
): Effect.Effect<JobCalls, never, Scope.Scope> =>
  Effect.gen(function*() {
    // Opened late, and closed after what is built on this and has something to tell yet.
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
    let own: Session | undefined
    const wanted = Latch.makeUnsafe(false)
    const opened = Effect.map(Scope.provide(postgres.another, scope), (link) => {
      own = link
    })
    yield* Effect.forkScoped(Effect.andThen(wanted.await, opened))
    const on = ([name, params, given]: Call, again: boolean, session: () => Session): Effect.Effect<Rows, SqlError> =>
      Effect.suspend(() => {
        const sql = `select * from ${quoted(schema)}.job_${name}_${jobVersion}(${params})`
        const end = now() + postgres.timeout
        let sent = false
        return Effect.suspend(() => {
          const chosen = session()
          sent = chosen.isUp()
          return chosen.run(sql, given)
        }).pipe(
          Effect.catchIf(isMissing, (error) =>
            // The server has lost all it had: it begins anew, as one that never had anything.
            Effect.matchEffect(ensureTables(postgres, jobNeeds(schema)), {
              onFailure: () => Effect.fail(error),
              onSuccess: () => postgres.run(sql, given)
            })),
          Effect.retry({
            while: (error) => isPassing(error) && (again || !sent) && now() < end,
            schedule: Schedule.spaced(20)
          })
        )
      })
    return {
      run: (call, again) => on(call, again, () => postgres),
      work: (call) =>
        Effect.suspend(() => {
          wanted.openUnsafe()
          return on(call, true, () => own?.isUp() === true ? own : postgres)
        })
    }
  })
