import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { monotonic } from "../../internal/monotonic.ts"
import { RateMachine } from "../../resilience/RateMachine.ts"

/** How many jobs may begin. */
export interface Rate {
  /** Waits until at least one may, and answers how many. */
  readonly allowed: Effect.Effect<number>
  /** Those have begun. */
  readonly taken: (count: number) => void
}

/** At most `limit` in any `per` milliseconds. */
export const slidingRate = (clock: Clock.Clock, limit: number, per: number): Rate => {
  const now = monotonic(clock)
  const machine = new RateMachine({ algorithm: "window", limit, per, burst: 0 })
  const allowed: Effect.Effect<number> = Effect.suspend(() => {
    const at = now()
    const free = machine.available(at)
    if (free > 0) return Effect.succeed(free)
    const next = machine.reserve(at, 1, 0)
    return Effect.andThen(Effect.sleep(next._tag === "Refused" ? Math.max(next.retryAfter, 1) : 0), allowed)
  })
  return { allowed, taken: (count) => void machine.reserve(now(), count, Infinity) }
}
