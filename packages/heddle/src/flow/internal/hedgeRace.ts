import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { monotonic } from "../../internal/monotonic.ts"
import { inSpan, isTraced } from "../../internal/traced.ts"
import type { Tally } from "./flowMetrics.ts"
import { family } from "./flowMetrics.ts"
import { Timer } from "./Timer.ts"

/** What is attempted, and when it is enough; times in milliseconds. */
export interface Plan<A, E, R, F> {
  readonly attempt: (index: number) => Effect.Effect<A, E, R>
  /** How many attempts there are at most. */
  readonly total: number
  /** How many must succeed. */
  readonly need: number
  /** From the start of one attempt to that of the next. */
  readonly delay: number
  readonly within: number
  /** Asked before an attempt that is not needed for success. */
  readonly mayStart: Effect.Effect<boolean>
  /** Told, in milliseconds, what the first attempt took, or a bound above the delay that it has passed. */
  readonly firstTook: (millis: number) => Effect.Effect<void>
  readonly fails: (why: "failed" | "late", causes: ReadonlyArray<Cause.Cause<E>>) => F
  readonly name: string | undefined
}

const metricsOf = family("hedge", {
  active: "Attempts that run, those that were given up and have not ended too",
  completed: "Calls of which enough attempts succeeded",
  failed: "Calls of which too many attempts failed",
  interrupted: "Calls that were interrupted",
  late: "Calls that were not done in time",
  extra: "Attempts beyond those that a call needs",
  refused: "Extra attempts that the budget denied"
}, "From the start of a call to its answer")

type Metrics = Tally<"active" | "completed" | "failed" | "interrupted" | "late" | "extra" | "refused">

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Makes the attempts; in a span where somebody traces, and each attempt too. */
export const race = <A, E, R, F>(span: string, plan: Plan<A, E, R, F>): Effect.Effect<ReadonlyArray<A>, F, R> =>
  Effect.withFiber((fiber) =>
    isTraced(fiber)
      ? inSpan(span, {}, Effect.contextWith((context: Context.Context<never>) => racing(plan, context, true)))
      : racing(plan, fiber.context, false)
  )

const racing = <A, E, R, F>(plan: Plan<A, E, R, F>, context: Context.Context<never>, isTraced: boolean) =>
  Effect.uninterruptibleMask((restore): Effect.Effect<ReadonlyArray<A>, F, R> => {
    const one = new Race(plan, context, isTraced)
    return Effect.onExit(one.turn(restore), (exit) => one.end(exit))
  })

/**
 * One call: its own fiber starts the attempts one after the other, each in a fiber that belongs to the caller's scope if there is one.
 *
 * Invariant: who is not over is in `fibers`, and has a scope of its own that is closed unless its success is in `wins`.
 */
class Race<A, E, R, F> {
  private readonly plan: Plan<A, E, R, F>
  private readonly context: Context.Context<never>
  private readonly isTraced: boolean
  private readonly scope: Scope.Scope | undefined
  private readonly metrics: Metrics
  private readonly now: () => number
  private readonly timer: Timer
  private readonly startedAt: number
  private readonly fibers = new Set<Fiber.Fiber<unknown, unknown>>()
  private readonly kept: Array<Scope.Closeable> = []
  /** By attempt, in the order in which they came. */
  private readonly wins = new Map<number, A>()
  private readonly causes: Array<Cause.Cause<E> | undefined> = []
  private total: number
  private failed = 0
  private nextAt = -Infinity
  private firstTook: number | undefined
  private settled = false
  /** Something has changed since the last turn began. */
  private news = false
  private wake: (() => void) | undefined
  constructor(plan: Plan<A, E, R, F>, context: Context.Context<never>, isTraced: boolean) {
    this.plan = plan
    this.context = context
    this.isTraced = isTraced
    this.total = plan.total
    this.scope = Option.getOrUndefined(Context.getOption(context, Scope.Scope))
    this.metrics = metricsOf.of(context, { name: plan.name })
    this.now = monotonic(Context.get(context, Clock.Clock))
    this.timer = new Timer(context, this.now, () => this.changed())
    this.startedAt = this.now()
  }

  turn(restore: Restore): Effect.Effect<ReadonlyArray<A>, F, R> {
    return Effect.suspend(() => {
      this.news = false
      const { plan, wins } = this
      if (wins.size >= plan.need) return Effect.succeed([...wins.values()])
      if (this.failed > this.total - plan.need) return this.fail("failed")
      if (this.late) return this.fail("late")
      return Effect.flatMap(this.due ? this.next(restore) : restore(this.change), () => this.turn(restore))
    })
  }

  /** Gives up what still runs. Only who is interrupted waits for its end. */
  end(exit: Exit.Exit<ReadonlyArray<A>, F>): Effect.Effect<void> {
    const { counts, latency } = this.metrics
    const lost = [...this.fibers]
    this.settled = true
    this.timer.stop()
    for (const fiber of lost) fiber.interruptUnsafe()
    if (Exit.isSuccess(exit)) {
      counts.completed++
      latency?.took((this.now() - this.startedAt) / 1000)
      for (const cause of this.causes) if (cause !== undefined) this.report(cause)
      return this.tell
    }
    const close = Effect.forEach(this.kept, (scope) => Scope.close(scope, exit), { discard: true })
    if (!Cause.hasInterrupts(exit.cause)) {
      return this.kept.length === 0
        ? this.tell
        : Effect.andThen(this.tell, this.fork(close))
    }
    counts.interrupted++
    return Effect.andThen(Fiber.awaitAll(lost), close)
  }

  /** What passed the delay and was given up took longer: counted so, it keeps the percentile where it is. What failed does not count. */
  private get tell(): Effect.Effect<void> {
    const { delay, firstTook } = this.plan
    if (this.firstTook !== undefined) return firstTook(this.firstTook)
    const passed = this.now() - this.startedAt
    return this.causes[0] === undefined && passed >= delay ? firstTook(passed) : Effect.void
  }

  private get due(): boolean {
    return this.causes.length < this.total && this.now() >= this.nextAt
  }

  private get late(): boolean {
    const { within } = this.plan
    return within !== Infinity && this.now() - this.startedAt >= within
  }

  private fail(why: "failed" | "late"): Effect.Effect<never, F> {
    this.metrics.counts[why]++
    return Effect.fail(this.plan.fails(why, this.causes.filter((cause) => cause !== undefined)))
  }

  /** Waits until an attempt ends or the next one is due. */
  private readonly change: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.news) return resume(Effect.void)
    this.wake = () => resume(Effect.void)
    const next = this.causes.length < this.total ? this.nextAt : Infinity
    const first = Math.min(next, this.startedAt + this.plan.within)
    if (first !== Infinity) this.timer.set(first)
    return Effect.sync(() => {
      this.wake = undefined
    })
  })

  private changed(): void {
    this.news = true
    const { wake } = this
    this.wake = undefined
    wake?.()
  }

  private next(restore: Restore): Effect.Effect<unknown, never, R> {
    if (this.causes.length < this.plan.need) return this.start()
    const { counts } = this.metrics
    return Effect.flatMap(restore(this.plan.mayStart), (may) => {
      if (may) {
        counts.extra++
        return this.start()
      }
      counts.refused++
      this.total = this.causes.length
      return Effect.void
    })
  }

  private start(): Effect.Effect<void, never, R> {
    const index = this.causes.push(undefined) - 1
    const { delay } = this.plan
    this.nextAt = delay === Infinity ? Infinity : this.now() + delay
    this.metrics.counts.active++
    const own = this.scope === undefined ? undefined : Scope.forkUnsafe(this.scope)
    return Effect.map(this.fork(this.attempt(index, own)), (fiber) => {
      this.fibers.add(fiber)
      fiber.addObserver((exit) => {
        this.fibers.delete(fiber)
        this.metrics.counts.active--
        if (Exit.isFailure(exit)) this.lose(index, exit.cause)
      })
    })
  }

  private attempt(index: number, own: Scope.Closeable | undefined): Effect.Effect<void, E, R> {
    const plain = this.plan.attempt(index)
    const effect = this.isTraced ? inSpan("Hedge.attempt", { attempt: index + 1 }, plain) : plain
    const scoped: Effect.Effect<A, E, R> = own === undefined ? effect : Effect.provideService(effect, Scope.Scope, own)
    return Effect.asVoid(Effect.onExit(scoped, (exit) => {
      if (Exit.isSuccess(exit) && this.win(index, exit.value, own)) return Effect.void
      return own === undefined ? Effect.void : Scope.close(own, exit)
    }))
  }

  /** Whether the success counts: one that comes too late is given up. */
  private win(index: number, value: A, own: Scope.Closeable | undefined): boolean {
    if (this.wins.size >= this.plan.need) return false
    if (index === 0) this.firstTook = this.now() - this.startedAt
    this.wins.set(index, value)
    if (own !== undefined) this.kept.push(own)
    this.changed()
    return true
  }

  private lose(index: number, cause: Cause.Cause<E>): void {
    if (this.settled || this.wins.has(index)) return this.report(cause)
    this.causes[index] = cause
    this.failed++
    this.nextAt = -Infinity
    this.changed()
  }

  /** A defect that nobody is given as an outcome. */
  private report(cause: Cause.Cause<E>): void {
    const level = Context.get(this.context, References.UnhandledLogLevel)
    if (level === undefined || !Cause.hasDies(cause)) return
    Effect.runForkWith(this.context)(Effect.logWithLevel(level)("Hedge: an attempt died that was not needed", cause))
  }

  private fork<A2, E2, R2>(effect: Effect.Effect<A2, E2, R2>): Effect.Effect<Fiber.Fiber<A2, E2>, never, R2> {
    const now = { startImmediately: true }
    return this.scope === undefined ? Effect.forkDetach(effect, now) : Effect.forkIn(effect, this.scope, now)
  }
}
