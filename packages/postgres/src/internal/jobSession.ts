import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Postgres } from "../Postgres.ts"

type Session = Pick<Postgres["Service"], "run" | "isUp">

/** The session on which jobs are claimed and ended. */
export interface JobSession {
  /** Opens one for that, in the background, at the first call. */
  readonly begin: Effect.Effect<void>
  /** That one; the shared one until it is there, and while it is replaced. */
  readonly session: () => Session
}

/**
 * A session for those who work: the server has a process for each session, so that it adds jobs with one and claims and ends them with
 * another. Who only enqueues needs none.
 */
export const jobSession = (postgres: Postgres["Service"]): Effect.Effect<JobSession, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    let own: Session | undefined
    const begin = yield* Effect.cached(Effect.map(Scope.provide(postgres.another, scope), (link) => {
      own = link
    }))
    return { begin, session: () => own?.isUp() === true ? own : postgres }
  })
