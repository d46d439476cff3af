/**
 * One fiber that looks when there is something to look at, for stores and backends that watch many deadlines.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { monotonic } from "../internal/monotonic.ts"

export { monotonic }

/**
 * Sleeps until the earliest instant asked for, then runs `look`, which answers when to look next (`Infinity`: when
 * asked). Instants are milliseconds of the monotonic clock.
 *
 * @category models
 * @since 0.1.0
 */
export class Alarm<R> {
  readonly clock: Clock.Clock
  /** The monotonic clock, in milliseconds. */
  readonly now: () => number
  private readonly look: Effect.Effect<number, never, R>
  private readonly early = Latch.makeUnsafe(false)
  private at = Infinity
  private looking = false
  constructor(clock: Clock.Clock, look: Effect.Effect<number, never, R>) {
    this.clock = clock
    this.now = monotonic(clock)
    this.look = look
  }

  /** Asks for a look no later than `instant`; it may come sooner, and `look` answers when to look again. */
  ring(instant: number): void {
    if (instant >= this.at) return
    this.at = instant
    if (!this.looking) this.early.openUnsafe()
  }

  /** Looks and sleeps, until it is interrupted. Run it in one fiber. */
  readonly run: Effect.Effect<never, never, R> = Effect.forever(Effect.suspend(() => {
    this.early.closeUnsafe()
    this.at = Infinity
    this.looking = true
    return Effect.flatMap(this.look, (next) => {
      this.looking = false
      this.at = Math.min(this.at, next)
      if (this.at === Infinity) return this.early.await
      // What is left of a third of a millisecond by rounding is a whole nanosecond: a shorter sleep would be none.
      const nanos = Math.ceil(Math.max(0, this.at - this.now()) * 1e6)
      return Effect.raceFirst(Effect.sleep(nanos / 1e6), this.early.await)
    })
  }))
}
