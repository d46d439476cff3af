import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { tally } from "../../internal/Tally.ts"
import * as ShutdownReport from "../ShutdownReport.ts"
import type { Signal } from "../Signals.ts"
import { stages, type Step } from "./Step.ts"

export interface Settings {
  /** Milliseconds, all of them. */
  readonly timeout: number
  readonly readinessDelay: number
  readonly hurryFor: number
  readonly onReport: (report: ShutdownReport.ShutdownReport) => Effect.Effect<unknown>
  readonly context: Context.Context<never>
  readonly now: () => number
}

/** What an interrupted step may take to end before it is left behind, and at least where all time is over. */
const grace = { most: 1_000, least: 100 }

/**
 * The course of one shutdown.
 *
 *     running ──begin──▶ waiting ──delay──▶ stop ──▶ drain ──▶ release ──▶ close ──▶ end ──▶ done
 *
 * It runs in a fiber of its own, which nobody can interrupt, and waits for no step but within its time, so it always comes to
 * `done`. A second signal cuts what runs, passes over what has not begun of `stop` and `drain`, and leaves `hurryFor` for the
 * rest; a third leaves nothing.
 */
export class Course {
  readonly steps = new Map<string, Step>()
  readonly begun = Deferred.makeUnsafe<void>()
  readonly ended = Deferred.makeUnsafe<ShutdownReport.ShutdownReport>()
  stage: "running" | "waiting" | (typeof stages)[number] | "done" = "running"
  private reason: ShutdownReport.Reason = "asked"
  private readonly signals: Array<Signal> = []
  private readonly reports: Array<ShutdownReport.StepReport> = []
  private start = 0
  private deadline = Infinity
  private cut = Deferred.makeUnsafe<void>()
  private readonly settings: Settings
  constructor(settings: Settings) {
    this.settings = settings
  }

  add(step: Step, followers: ReadonlyArray<Step>): void {
    this.steps.set(step.plan.name, step)
    for (const follower of followers) follower.waitsFor.add(step)
  }

  /** Its scope closes: it will not run any more, or has run. */
  remove(step: Step): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (step.state === "runs") return Deferred.await(step.done)
      if (step.state === "waits") step.state = "gone"
      this.steps.delete(step.plan.name)
      Deferred.doneUnsafe(step.done, Exit.void)
      return Effect.void
    })
  }

  /** Begins, if nobody has. */
  begin(reason: ShutdownReport.Reason): void {
    if (this.stage !== "running") return
    this.stage = "waiting"
    this.reason = reason
    this.start = this.settings.now()
    this.deadline = this.start + this.settings.timeout
    Deferred.doneUnsafe(this.begun, Exit.void)
    Effect.runForkWith(this.settings.context)(this.drive)
  }

  /** The first signal begins; the main fiber's interruption by the same signal may have come before it. Others hurry. */
  heard(signal: Signal): void {
    if (this.stage === "done") return
    if (this.signals.push(signal) > 1) return this.hurry()
    if (this.reason === "interrupted") this.reason = signal
    this.begin(signal)
  }

  private hurry(): void {
    const left = this.signals.length > 2 ? 0 : this.settings.hurryFor
    this.deadline = Math.min(this.deadline, this.settings.now() + left)
    Deferred.doneUnsafe(this.cut, Exit.void)
    this.cut = Deferred.makeUnsafe()
  }

  private get left(): number {
    return Math.max(0, this.deadline - this.settings.now())
  }

  private readonly drive: Effect.Effect<void> = Effect.gen({ self: this }, function*() {
    const { now, onReport, readinessDelay } = this.settings
    // A signal that interrupted the main fiber is also heard as one before this turn ends.
    yield* Effect.yieldNow
    yield* Effect.raceFirst(Effect.sleep(Math.min(readinessDelay, this.left)), Deferred.await(this.cut))
    const steps = [...this.steps.values()]
    for (const stage of stages) {
      this.stage = stage
      const these = steps.filter(({ plan }) => plan.phase === stage)
      yield* Effect.forEach(these, (step) => this.take(step), { concurrency: "unbounded", discard: true })
    }
    const { reason, reports, signals, start } = this
    const report = ShutdownReport.make({ reason, signals, steps: reports, millis: now() - start })
    const fiber = yield* Effect.forkDetach(Effect.suspend(() => onReport(report)), { startImmediately: true })
    yield* Effect.raceFirst(Fiber.await(fiber), Effect.sleep(grace.most))
    this.stage = "done"
    Deferred.doneUnsafe(this.ended, Exit.succeed(report))
  }).pipe(Effect.uninterruptible, Effect.withSpan("Shutdown.run"))

  /** Runs a step when those that it waits for have ended, in whatever way. */
  private take(step: Step): Effect.Effect<void> {
    const { name, phase } = step.plan
    return Effect.gen({ self: this }, function*() {
      yield* Effect.forEach(step.waitsFor, ({ done }) => Deferred.await(done), { discard: true })
      const start = this.settings.now()
      const because = this.whySkip(step)
      const outcome = because === undefined ? yield* this.perform(step) : { _tag: "Skipped" as const, because }
      if (step.state !== "gone") step.state = "ended"
      stepsOf(this.settings.context, name)[outcome._tag]++
      this.reports.push({ name, phase, outcome, millis: this.settings.now() - start })
      Deferred.doneUnsafe(step.done, Exit.void)
    })
  }

  private whySkip({ plan, state }: Step): "time" | "hurry" | "gone" | undefined {
    if (state === "gone") return "gone"
    // The program is always told to end.
    if (plan.phase === "end") return undefined
    const hurries = this.signals.length > 1
    if (hurries && (plan.phase === "stop" || plan.phase === "drain")) return "hurry"
    if (this.left > 0) return undefined
    return hurries ? "hurry" : "time"
  }

  private perform(step: Step): Effect.Effect<ShutdownReport.Outcome> {
    const { holds, name, phase, run, timeout } = step.plan
    return Effect.gen({ self: this }, function*() {
      step.state = "runs"
      const work = Effect.withSpan(Effect.interruptible(run), "Shutdown.step", { attributes: { step: name, phase } })
      const { cut } = this
      const limit = Math.max(phase === "end" ? grace.least : 0, Math.min(timeout, this.left))
      const fiber = yield* Effect.forkDetach(work, { startImmediately: true })
      const ended = Fiber.await(fiber)
      yield* Effect.raceAllFirst([ended, Effect.sleep(limit), Deferred.await(cut)])
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return settled(exit)
      const held = holds === undefined ? undefined : yield* Effect.forkDetach(holds, { startImmediately: true })
      // The program's step is its interruption, and stays.
      if (phase !== "end") fiber.interruptUnsafe()
      const wait = Math.min(grace.most, Math.max(grace.least, this.left))
      yield* Effect.raceFirst(ended, Effect.sleep(wait))
      const last = fiber.pollUnsafe()
      if (phase === "end" && last !== undefined) return settled(last)
      const said = held?.pollUnsafe()
      held?.interruptUnsafe()
      return {
        _tag: Deferred.isDoneUnsafe(cut) ? "Cut" as const : "TimedOut" as const,
        held: said !== undefined && Exit.isSuccess(said) ? said.value : undefined,
        left: last === undefined
      }
    })
  }
}

const settled = (exit: Exit.Exit<unknown, unknown>): ShutdownReport.Outcome =>
  Exit.isSuccess(exit) ? { _tag: "Finished", value: exit.value } : { _tag: "Failed", cause: exit.cause }

const stepsOf = tally("heddle_shutdown_steps_total", {
  description: "Steps of shutdowns, by how they ended",
  type: "counter",
  label: "step",
  by: "outcome",
  zero: { Finished: 0, Failed: 0, TimedOut: 0, Cut: 0, Skipped: 0 }
})
