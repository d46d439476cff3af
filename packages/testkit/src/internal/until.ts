import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Schedule from "effect/Schedule"

/** Runs an effect on the machine's clock, also inside a test that drives a clock of its own: servers do not wait for it. */
export const inRealTime = Effect.provideService(Clock.Clock, Clock.Clock.defaultValue())

/** Asks again every 5 ms until the answer is `true`; answers `false` when `within` has passed. */
export const until = (check: Effect.Effect<boolean>, within: Duration.Input): Effect.Effect<boolean> =>
  check.pipe(
    Effect.repeat({ until: identity<boolean>, schedule: Schedule.spaced("5 millis") }),
    Effect.timeoutOrElse({ duration: within, orElse: () => Effect.succeed(false) }),
    inRealTime
  )
