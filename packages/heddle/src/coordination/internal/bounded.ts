import * as Effect from "effect/Effect"

/** The effect within a time (ms), else the other; no timer where the time is unbounded. */
export const bounded = <A, E, R, E2>(
  effect: Effect.Effect<A, E, R>,
  millis: number,
  orElse: Effect.Effect<never, E2>
): Effect.Effect<A, E | E2, R> =>
  millis === Infinity
    ? effect
    : Effect.timeoutOrElse(effect, { duration: Math.max(0, millis), orElse: () => orElse })
