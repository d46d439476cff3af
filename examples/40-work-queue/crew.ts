import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Event, Order } from "./worker.ts"

/** A worker at its work: what it tells until it ends, and a way to end it in the middle of a file. */
export interface Worker<E, R> {
  readonly events: Stream.Stream<Event, E, R>
  readonly kill: Effect.Effect<unknown, E>
}

/** Starts workers of one kind. A worker ends at the latest with its scope. */
export interface Crew<E, R> {
  readonly start: (order: Order) => Effect.Effect<Worker<E, R>, E, R | Scope.Scope>
  /** Tells what `kill` did to a worker. */
  readonly killed: (worker: number, path: string) => string
}
