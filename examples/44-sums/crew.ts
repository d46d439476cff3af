import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Event, Order } from "./roles.ts"

/** Somebody at work: what it tells until it ends, and a way to end it in the middle of a pair. */
export interface Member<E, R> {
  readonly events: Stream.Stream<Event, E, R>
  readonly kill: Effect.Effect<unknown, E>
}

/** Starts producers and workers of one kind. They end at the latest with their scope. */
export interface Crew<E, R> {
  readonly start: (order: Order) => Effect.Effect<Member<E, R>, E, R | Scope.Scope>
  /** What `kill` does. */
  readonly killed: string
}
