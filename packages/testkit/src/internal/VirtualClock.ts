import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

const nanosPerMilli = 1_000_000

/**
 * A clock that starts at 0 and moves only when `advance` is called; wall and monotonic time agree.
 */
export class VirtualClock implements Clock.Clock {
  now = 0
  readonly sleepers = new Set<Sleeper>()
  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())
  /** Takes the wake-up of a sleeper whose time has come, and gives back how to take it away again. */
  readonly due: (wake: () => void) => () => void

  constructor(due: (wake: () => void) => () => void) {
    this.due = due
  }

  currentTimeMillisUnsafe(): number {
    return this.now
  }

  currentTimeNanosUnsafe(): bigint {
    return BigInt(Math.round(this.now * nanosPerMilli))
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const millis = Duration.toMillis(duration)
    if (millis <= 0) return Effect.yieldNow
    if (millis === Infinity) return Effect.never
    return Effect.callback<void>((resume) => {
      let withdraw = (): void => {
        this.sleepers.delete(sleeper)
      }
      const sleeper: Sleeper = {
        at: this.now + millis,
        wake: () => {
          withdraw = this.due(() => resume(Effect.void))
        }
      }
      this.sleepers.add(sleeper)
      return Effect.sync(() => withdraw())
    })
  }

  /**
   * Jumps to the earliest sleeper and hands everyone who sleeps until then to `due`; `false` when nobody sleeps.
   */
  advance(): boolean {
    if (this.sleepers.size === 0) return false
    let earliest = Infinity
    for (const sleeper of this.sleepers) earliest = Math.min(earliest, sleeper.at)
    this.now = earliest
    for (const sleeper of this.sleepers) {
      if (sleeper.at > earliest) continue
      this.sleepers.delete(sleeper)
      sleeper.wake()
    }
    return true
  }
}
