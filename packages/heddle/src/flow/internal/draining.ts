import * as Effect from "effect/Effect"
import type * as Latch from "effect/Latch"

/** What was taken and did not run to its end. */
interface Left {
  readonly notRun: ReadonlyArray<unknown>
  readonly interrupted: ReadonlyArray<unknown>
}

/** How long what was interrupted may take to end, in milliseconds, before it is left alone. */
const grace = 5000

const within = (idle: Latch.Latch, millis: number): Effect.Effect<void> =>
  millis === Infinity ? idle.await : Effect.raceFirst(idle.await, Effect.sleep(millis))

/** Waits until all is done, but no longer than `millis`; then cuts off what is not, and waits for that. */
export const drain = (idle: Latch.Latch, millis: number, cutOff: () => void): Effect.Effect<void> =>
  Effect.flatMap(within(idle, millis), () => {
    cutOff()
    return within(idle, grace)
  })

/** The end of a scope: drains what was not drained before, and warns of what is lost unless somebody was told. */
export const drainAtEnd = (
  what: string,
  of: { readonly reported: boolean; readonly shutdown: (millis: number) => Effect.Effect<Left> },
  millis: number
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { reported } = of
    return Effect.flatMap(of.shutdown(millis), ({ interrupted, notRun }) =>
      reported || notRun.length + interrupted.length === 0
        ? Effect.void
        : Effect.logWarning(
          `${what}: closed with ${notRun.length} items that had not started and ${interrupted.length} that were interrupted`
        ))
  })
