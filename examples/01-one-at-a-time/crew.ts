import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Event, Job } from "./job.ts"

/** A worker at its work: what it tells until it ends, and a way to end it in the middle of a job. */
export interface Worker<E, R> {
  readonly events: Stream.Stream<Event, E, R>
  readonly kill: Effect.Effect<unknown, E>
}

/** Starts workers of one kind. A worker ends with its jobs, and at the latest with its scope. */
export interface Crew<E, R> {
  readonly start: (jobs: Stream.Stream<Job>) => Effect.Effect<Worker<E, R>, E, R | Scope.Scope>
  /** Tells what `kill` did to a worker that held the lock. */
  readonly killed: (worker: number) => string
  /** Tells how its lock came back. */
  readonly freed: (worker: number) => string
}
