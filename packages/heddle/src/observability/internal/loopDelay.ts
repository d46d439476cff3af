import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { monotonic } from "../../internal/monotonic.ts"

/** Milliseconds between two looks at the event loop. */
export const lookEvery = 50

/** Tells again and again by how many milliseconds a timer was late: what the event loop did meanwhile. Never ends. */
export const watchLoop = (late: (millis: number) => void): Effect.Effect<never> =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const now = monotonic(clock)
    const look = Effect.suspend(() => {
      const asked = now()
      return Effect.map(Effect.sleep(lookEvery), () => late(Math.max(0, now() - asked - lookEvery)))
    })
    return Effect.forever(look)
  })
