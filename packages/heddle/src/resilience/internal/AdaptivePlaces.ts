import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type Contended, CurrentObserver, observed, type Observer } from "../../internal/Contended.ts"
import { monotonic } from "../../internal/monotonic.ts"
import { type Tally, tally } from "../../internal/Tally.ts"
import type { Outcome } from "../AdaptiveLimiter.ts"
import { LimitReached } from "./LimitReached.ts"
import type { Rule } from "./limitRule.ts"
import { withoutStack } from "./refusal.ts"

const callsOf = tally("heddle_adaptive_limiter_calls_total", {
  description: "Calls, by what they said about the dependency; refused ones did not run",
  type: "counter",
  label: "limiter",
  by: "outcome",
  zero: { success: 0, dropped: 0, ignored: 0, refused: 0 }
})
const levelsOf = tally("heddle_adaptive_limiter_occupancy", {
  description: "How many calls may run, and how many do",
  type: "gauge",
  label: "limiter",
  by: "state",
  zero: { limit: 0, running: 0 }
})

export interface Settings<E> {
  readonly name: string
  readonly least: number
  readonly most: number
  readonly start: number
  /** Milliseconds. */
  readonly window: number
  readonly samples: number
  readonly rule: Rule
  readonly classify: (exit: Exit.Exit<unknown, E>) => Outcome
}

/** One partition: its share of the limit, and how many of its calls run. */
export class Partition {
  readonly share: number
  running = 0
  constructor(share: number) {
    this.share = share
  }
}

/**
 * The places of an adaptive limiter, and the window that tells how many there should be.
 *
 * Invariants: `running` is the sum of what runs in all partitions. A call is counted in the window in which it began, or in
 * none: what it shows is due to the limit that it met.
 */
export class AdaptivePlaces<E> {
  limit: number
  running = 0
  private readonly settings: Settings<E>
  private readonly now: () => number
  private readonly calls: Tally<Outcome | "refused">
  private readonly levels: Tally<"limit" | "running">
  private readonly observer: Observer | undefined
  private readonly contended: Contended
  private windowStart: number
  private sum = 0
  private successes = 0
  private drops = 0
  private peak = 0
  private refusal: Effect.Effect<never, LimitReached> | undefined
  private refusedAt = 0
  constructor(settings: Settings<E>, context: Context.Context<never>) {
    this.settings = settings
    this.limit = settings.start
    this.now = monotonic(Context.get(context, Clock.Clock))
    this.calls = callsOf(context, settings.name)
    this.levels = levelsOf(context, settings.name)
    this.levels.limit = settings.start
    this.observer = Context.get(context, CurrentObserver)
    const { name } = settings
    this.contended = { kind: "adaptive limiter", name, title: name, owner: this, key: name }
    this.windowStart = this.now()
  }

  run<A, E1 extends E, R>(call: Effect.Effect<A, E1, R>, partition: Partition): Effect.Effect<A, E1 | LimitReached, R> {
    return this.observer === undefined
      ? this.admit(call, partition)
      : observed(this.observer, this.contended, call, (call) => this.admit(call, partition))
  }

  private admit<A, E1 extends E, R>(
    call: Effect.Effect<A, E1, R>,
    partition: Partition
  ): Effect.Effect<A, E1 | LimitReached, R> {
    return Effect.suspend(() => {
      let since = NaN
      let outcome: Outcome = "ignored"
      const read = (exit: Exit.Exit<unknown, E1>): undefined => {
        if (Exit.isSuccess(exit) || !Cause.hasInterruptsOnly(exit.cause)) outcome = this.settings.classify(exit)
      }
      // What gives a place back is there before there is a place, so no interruption comes between.
      return Effect.onExitPrimitive(
        Effect.suspend((): Effect.Effect<A, E1 | LimitReached, R> => {
          if (!this.admits(partition)) return this.refuse()
          since = this.enter(partition)
          return Effect.onExitPrimitive(call, read)
        }),
        () => {
          if (!Number.isNaN(since)) this.leave(partition, since, outcome)
          return undefined
        }
      )
    })
  }

  /** A free place is anybody's; who is below their share is let in though others have borrowed it. */
  private admits(partition: Partition): boolean {
    const limit = Math.floor(this.limit)
    return this.running < limit || partition.running < Math.floor(partition.share * limit)
  }

  private enter(partition: Partition): number {
    partition.running++
    this.running++
    this.levels.running++
    if (this.running > this.peak) this.peak = this.running
    return this.now()
  }

  private leave(partition: Partition, since: number, outcome: Outcome): void {
    partition.running--
    this.running--
    this.levels.running--
    this.calls[outcome]++
    if (outcome === "ignored" || since < this.windowStart) return
    const now = this.now()
    if (outcome === "dropped") this.drops++
    else {
      this.sum += now - since
      this.successes++
    }
    const { samples, window } = this.settings
    if (this.successes + this.drops >= samples && now - this.windowStart >= window) this.decide(now)
  }

  private decide(now: number): void {
    const { least, most, rule } = this.settings
    const window = { latency: this.sum / this.successes, dropped: this.drops > 0, running: this.peak }
    this.limit = Math.max(least, Math.min(most, rule(this.limit, window, least)))
    this.levels.limit = Math.floor(this.limit)
    this.windowStart = now
    this.sum = this.successes = this.drops = 0
    this.peak = this.running
  }

  // Refusals at one limit are one value.
  private refuse(): Effect.Effect<never, LimitReached> {
    const limit = Math.floor(this.limit)
    this.calls.refused++
    if (this.refusal === undefined || this.refusedAt !== limit) {
      this.refusedAt = limit
      this.refusal = Effect.fail(withoutStack(() => new LimitReached({ name: this.settings.name, limit })))
    }
    return this.refusal
  }
}
