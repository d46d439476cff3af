import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

/** Rings once when an instant has come. It sleeps once at a time, and not at all while nothing is asked for. */
export class Timer {
  private readonly now: () => number
  private readonly ring: () => void
  private readonly fork: (sleep: Effect.Effect<void>) => Fiber.Fiber<void>
  private fiber: Fiber.Fiber<void> | undefined
  private at = Infinity
  /** `now` are milliseconds of the context's clock. */
  constructor(context: Context.Context<never>, now: () => number, ring: () => void) {
    this.fork = Effect.runForkWith(context)
    this.now = now
    this.ring = ring
  }

  /** Asks for a ring no later than `instant`: it may come sooner, if that was asked for before. */
  set(instant: number): void {
    if (instant >= this.at) return
    this.stop()
    this.at = instant
    // What is left of a millisecond by rounding is a whole nanosecond: a shorter sleep would be none.
    const nanos = Math.ceil(Math.max(0, instant - this.now()) * 1e6)
    const fiber = this.fork(Effect.sleep(nanos / 1e6))
    this.fiber = fiber
    fiber.addObserver(() => {
      if (this.fiber !== fiber) return
      this.fiber = undefined
      this.at = Infinity
      this.ring()
    })
  }

  stop(): void {
    const { fiber } = this
    this.fiber = undefined
    this.at = Infinity
    fiber?.interruptUnsafe()
  }
}
