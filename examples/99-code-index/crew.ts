import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Run } from "./run.ts"

/** A worker that is ready, and then at its work, and the ways to end it. */
export interface Member {
  readonly begin: Effect.Effect<unknown>
  /** Has it stand still the next time it holds the lock. */
  readonly standStill: Effect.Effect<unknown>
  /** Ends it at once, as it is. */
  readonly kill: Effect.Effect<unknown>
  /** Asks it to end, and waits: whether it left nothing undone. */
  readonly stop: Effect.Effect<boolean>
  readonly ended: Effect.Effect<unknown>
}

/** Starts workers of one kind, and waits until they are ready. A worker ends at the latest with its scope. */
export interface Crew<R> {
  readonly start: (run: Run, worker: number) => Effect.Effect<Member, Error, R | Scope.Scope>
  /** Tells what `kill` did to a worker that held the lock, and how the lock came back. */
  readonly killed: string
  readonly freed: string
}
