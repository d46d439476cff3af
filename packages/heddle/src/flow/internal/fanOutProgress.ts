import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { InvalidOption } from "../../internal/InvalidOption.ts"
import { checkPeriod } from "./options.ts"

/**
 * How far a fan-out is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  /** Items that came to an end, however. */
  readonly done: number
  /** Those of them that did not succeed. */
  readonly failed: number
  readonly running: number
  /** `undefined` where items come from a stream. */
  readonly total: number | undefined
  /** Items done a second, since the start. */
  readonly perSecond: number
}

interface Seen {
  readonly lanes: {
    readonly started: number
    readonly finished: number
    readonly failed: number
    readonly end: unknown
  }
  readonly total: number | undefined
  /** When it began, in milliseconds. */
  readonly since: number
  /** Ends when the lanes do. */
  readonly end: Effect.Effect<unknown>
}

export const progressOf =
  ({ end, lanes, since, total }: Seen) =>
  (every: Duration.Input = "1 second"): Stream.Stream<Progress, InvalidOption> => {
    const millis = checkPeriod("every", every)
    if (millis instanceof InvalidOption) return Stream.fail(millis)
    const now = Effect.map(Clock.currentTimeMillis, (at): readonly [Progress] => {
      const { failed, finished, started } = lanes
      const seconds = Math.max(at - since, 1) / 1000
      return [{ done: finished, failed, running: started - finished, total, perSecond: finished / seconds }]
    })
    const pause = Effect.raceFirst(Effect.sleep(millis), end)
    return Stream.fromPull(Effect.sync(() => {
      let looked: "never" | "before" | "at the end" = "never"
      return Effect.suspend(() => {
        if (looked === "at the end") return Cause.done()
        const wait = looked === "never" ? Effect.void : pause
        looked = "before"
        return Effect.flatMap(wait, () => {
          if (lanes.end !== undefined) looked = "at the end"
          return now
        })
      })
    }))
  }
