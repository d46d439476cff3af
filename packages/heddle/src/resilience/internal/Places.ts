import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Scheduler from "effect/Scheduler"
import { type Contended, CurrentObserver, observed, type Observer } from "../../internal/Contended.ts"
import { Line } from "../../internal/Line.ts"
import { monotonic } from "../../internal/monotonic.ts"
import { Soon } from "../../internal/Soon.ts"
import { type Tally, tally } from "../../internal/Tally.ts"
import { BulkheadFull, BulkheadTimeout } from "./BulkheadError.ts"
import { withoutStack } from "./refusal.ts"

const callsOf = tally("heddle_bulkhead_calls_total", {
  description: "Calls, by what came of them: ended, refused as the line was full, timed out or interrupted in the line",
  type: "counter",
  label: "bulkhead",
  by: "outcome",
  zero: { ended: 0, full: 0, timeout: 0, interrupted: 0 }
})
const placesOf = tally("heddle_bulkhead_occupancy", {
  description: "Calls that run and calls that wait",
  type: "gauge",
  label: "bulkhead",
  by: "state",
  zero: { running: 0, waiting: 0 }
})
const waits = Metric.histogram("heddle_bulkhead_wait_seconds", {
  description: "How long calls stood in the line, whatever came of it",
  boundaries: [0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30]
})

type Outcome = "ended" | "full" | "timeout" | "interrupted"

/** One call: where it stands, or that it has a place, and what comes of it as things are. */
class Turn {
  before: Turn | undefined = undefined
  behind: Turn | undefined = undefined
  line: Line<Turn> | undefined = undefined
  inside = false
  outcome: Outcome = "interrupted"
  enter: () => void = () => {}
}

export interface Settings {
  readonly name: string
  readonly running: number
  readonly waiting: number
  /** Milliseconds. */
  readonly patience: number
}

/**
 * The places of a bulkhead and the line before them.
 *
 * Invariants: `running` is the number of turns that are inside. Somebody stands in the line only while `running >= most`, or a
 * turn of `soon` is about to let them in. A turn that is inside is not in the line.
 */
export class Places {
  most: number
  running = 0
  private readonly settings: Settings
  private readonly line = new Line<Turn>()
  private readonly soon: Soon
  private readonly now: () => number
  private readonly context: Context.Context<never>
  private readonly waits: typeof waits
  private readonly calls: Tally<Outcome>
  private readonly gauge: Tally<"running" | "waiting">
  private readonly full: Effect.Effect<never, BulkheadFull>
  private readonly observer: Observer | undefined
  private readonly contended: Contended
  constructor(settings: Settings, context: Context.Context<never>) {
    const { name, running } = settings
    this.settings = settings
    this.most = running
    this.context = context
    this.observer = Context.get(context, CurrentObserver)
    this.contended = { kind: "bulkhead", name, title: name, owner: this, key: name }
    this.now = monotonic(Context.get(context, Clock.Clock))
    this.soon = new Soon(Context.get(context, Scheduler.Scheduler), () => this.letIn())
    this.waits = Metric.withAttributes(waits, { bulkhead: name })
    this.calls = callsOf(context, name)
    this.gauge = placesOf(context, name)
    this.full = Effect.fail(withoutStack(() => new BulkheadFull({ name })))
  }

  get waiting(): number {
    return this.line.size
  }

  run<A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E | BulkheadFull | BulkheadTimeout, R> {
    return this.observer === undefined
      ? this.enter(call)
      : observed(this.observer, this.contended, call, (call) => this.enter(call))
  }

  private enter<A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E | BulkheadFull | BulkheadTimeout, R> {
    return Effect.suspend(() => {
      const turn = new Turn()
      // What gives a place back is there before there is a place, so no interruption comes between.
      return Effect.onExitPrimitive(
        Effect.suspend((): Effect.Effect<A, E | BulkheadFull | BulkheadTimeout, R> => {
          if (this.running < this.most && this.line.size === 0) {
            this.take(turn)
            return call
          }
          if (this.line.size < this.settings.waiting) return Effect.andThen(this.stand(turn), call)
          turn.outcome = "full"
          return this.full
        }),
        () => {
          if (turn.inside) this.leave(turn)
          this.calls[turn.outcome]++
          return undefined
        }
      )
    })
  }

  resize(most: number): void {
    this.most = most
    this.soon.ask()
  }

  private take(turn: Turn): void {
    turn.inside = true
    turn.outcome = "ended"
    this.running++
    this.gauge.running++
  }

  private leave(turn: Turn): void {
    turn.inside = false
    this.running--
    this.gauge.running--
    if (this.line.size > 0) this.soon.ask()
  }

  private letIn(): void {
    while (this.running < this.most) {
      const next = this.line.shift()
      if (next === undefined) return
      this.take(next)
      next.enter()
    }
  }

  /** Stands in the line until there is a place, which the turn then has. */
  private stand(turn: Turn): Effect.Effect<void, BulkheadTimeout> {
    const { name, patience } = this.settings
    const since = this.now()
    const out = () => {
      this.gauge.waiting--
      this.waits.updateUnsafe((this.now() - since) / 1000, this.context)
    }
    const place = Effect.callback<void>((resume) => {
      this.gauge.waiting++
      turn.enter = () => {
        out()
        resume(Effect.void)
      }
      this.line.push(turn)
      return Effect.sync(() => {
        if (turn.line === undefined) return
        this.line.remove(turn)
        out()
      })
    })
    if (patience === Infinity) return place
    const late = Effect.suspend(() => {
      turn.outcome = "timeout"
      return Effect.fail(withoutStack(() => new BulkheadTimeout({ name, waited: patience })))
    })
    return Effect.timeoutOrElse(place, { duration: patience, orElse: () => late })
  }
}
