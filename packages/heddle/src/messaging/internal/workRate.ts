import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { monotonic } from "../../internal/monotonic.ts"

/** How many jobs may begin. */
export interface Rate {
  /** Waits until at least one may, and answers how many. */
  readonly allowed: Effect.Effect<number>
  /** Those have begun. */
  readonly taken: (count: number) => void
}

export const unlimited: Rate = { allowed: Effect.succeed(Infinity), taken: () => {} }

/** At most `limit` in any `per` milliseconds: a window that slides, with the instants of the last ones. */
export const slidingRate = (clock: Clock.Clock, limit: number, per: number): Rate => {
  const now = monotonic(clock)
  const begun: Array<{ readonly at: number; readonly count: number }> = []
  let within = 0
  const allowed: Effect.Effect<number> = Effect.suspend(() => {
    const start = now() - per
    for (let first = begun[0]; first !== undefined && first.at <= start; first = begun[0]) {
      within -= first.count
      begun.shift()
    }
    const [oldest] = begun
    if (within < limit || oldest === undefined) return Effect.succeed(limit - within)
    return Effect.andThen(Effect.sleep(Math.max(oldest.at + per - now(), 1)), allowed)
  })
  return {
    allowed,
    taken: (count) => {
      within += count
      begun.push({ at: now(), count })
    }
  }
}
