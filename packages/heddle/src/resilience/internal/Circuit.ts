import * as Effect from "effect/Effect"
import type { Outcome } from "../CircuitBreaker.ts"
import type { OpenTime } from "./OpenTime.ts"
import type { TripWindow } from "./tripWindow.ts"

export type Phase = "closed" | "open" | "half-open"

export interface Plan {
  readonly window: TripWindow
  readonly openFor: OpenTime
  /** How many probes must succeed, and how many run at once at most. */
  readonly successes: number
  readonly probes: number
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly changed: (from: Phase, to: Phase) => void
}

/** A server that asks to be left alone for longer is asked again after this. */
const longestRetryAfter = 600_000

/**
 * The state of one circuit. It has no timers: an open time that is over is noticed by whoever looks next.
 *
 *     closed ──it trips──▶ open ──its time is over──▶ half-open ──so many probes succeed──▶ closed
 *                           ▲                            │
 *                           └────────a probe fails───────┘
 *
 * Each change of phase begins a generation, and so does each new round of probes. A call counts only in the generation in
 * which it was let in.
 */
export class Circuit {
  phase: Phase = "closed"
  generation = 0
  /** When the open time, or the round of probes, ends. */
  until = 0
  private probing = 0
  private passed = 0
  private openedFor = 0
  private closedAt = -Infinity
  private readonly plan: Plan
  constructor(plan: Plan) {
    this.plan = plan
  }

  /** The phase, which may have changed since somebody looked. */
  look(): Phase {
    if (this.phase === "open" && this.plan.now() >= this.until) this.probe("open")
    return this.phase
  }

  /** Takes the place of a probe, where there is one; `ended` gives it back. */
  enter(): boolean {
    if (this.look() !== "half-open") return this.phase === "closed"
    // Probes that neither come back nor end would hold the circuit half-open for ever: their round has an end.
    if (this.plan.now() >= this.until) this.probe("half-open")
    if (this.probing >= this.plan.probes || this.probing + this.passed >= this.plan.successes) return false
    this.probing++
    return true
  }

  /** Counts how a call of a generation ended. Where it opens the circuit on a schedule, the effect finds out for how long. */
  ended(generation: number, outcome: Outcome, slow: boolean): Effect.Effect<void> | undefined {
    if (generation !== this.generation) return undefined
    if (this.phase === "half-open") this.probing--
    if (outcome._tag === "Ignored") return undefined
    const failed = outcome._tag === "Failure"
    const trips = this.phase === "closed"
      ? this.plan.window.add(failed, slow, this.plan.now)
      : this.phase === "half-open" && (failed || slow)
    if (trips) return this.open(failed ? outcome.retryAfter ?? 0 : 0)
    if (this.phase === "half-open" && ++this.passed >= this.plan.successes) this.close()
    return undefined
  }

  /** Closes it and forgets what it has counted. */
  close(): void {
    this.plan.window.clear()
    if (this.phase === "closed") return
    this.closedAt = this.plan.now()
    this.turn("closed")
  }

  private open(retryAfter: number): Effect.Effect<void> | undefined {
    const { now, openFor } = this.plan
    const start = now()
    const least = Math.min(retryAfter, longestRetryAfter)
    const stable = this.phase === "closed" && start - this.closedAt >= this.openedFor
    const lasts = (millis: number) => {
      this.openedFor = Math.max(millis, least)
      this.until = start + this.openedFor
    }
    if (typeof openFor === "number") {
      lasts(openFor)
      this.turn("open")
      return undefined
    }
    this.until = Infinity
    const generation = this.generation + 1
    this.turn("open")
    return Effect.map(openFor.next(stable), (millis) => {
      if (generation === this.generation) lasts(millis)
    })
  }

  private probe(from: "open" | "half-open"): void {
    this.probing = 0
    this.passed = 0
    this.until = this.plan.now() + this.openedFor
    if (from === "open") this.turn("half-open")
    else this.generation++
  }

  /** The last thing that a change does: who hears of it may use the circuit at once. */
  private turn(to: Phase): void {
    const from = this.phase
    this.phase = to
    this.generation++
    this.plan.changed(from, to)
  }
}
