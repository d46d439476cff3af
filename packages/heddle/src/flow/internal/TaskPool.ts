import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as PubSub from "effect/PubSub"
import * as Scheduler from "effect/Scheduler"
import { Line } from "../../internal/Line.ts"
import { monotonic } from "../../internal/monotonic.ts"
import { Soon } from "../../internal/Soon.ts"
import type { Change, Priority, Report, Stats } from "../WorkerPool.ts"
import { type PoolErrors, poolErrors, type Refusal } from "./poolErrors.ts"
import { type Entry, type Host, PoolJob } from "./PoolJob.ts"
import type { PoolMetrics } from "./poolMetrics.ts"
import { PoolRoom, type RoomSettings } from "./PoolRoom.ts"
import { nextSize, type Rule } from "./poolScaling.ts"
import { PoolTally } from "./PoolTally.ts"
import { shallow } from "./shallow.ts"

export interface Settings extends RoomSettings {
  readonly name: string
  readonly size: number
  readonly context: Context.Context<never>
  readonly metrics: PoolMetrics
  readonly changes: PubSub.PubSub<Change>
}

/** How long interrupted tasks may take to end, in milliseconds, before a shutdown leaves them alone. */
const grace = 5000
/** So many tasks are started in one go before other fibers have their turn. */
const breath = 512

/**
 * Workers are places, not fibers: a task runs in a fiber of its own while one of `size` places is taken by it.
 *
 * Invariants: nobody waits while a worker is free, unless the pool is paused or takes a breath. `accepted` is the sum of all
 * outcomes, of those in the queue, and of those that run.
 */
export class TaskPool implements Host {
  size: number
  private readonly settings: Settings
  /** Milliseconds of the monotonic clock. */
  private readonly now: () => number
  readonly deliver: (call: () => void) => void
  private readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  private readonly soon: Soon
  private readonly tally: PoolTally
  private readonly errors: PoolErrors
  private readonly room: PoolRoom
  private readonly running = new Line<Entry>()
  private idleWaiters: Array<() => void> = []
  /** When a task last had to wait, or it grew. */
  private pressedAt = -Infinity
  private filling = false
  private paused = false
  private closed = false
  constructor(settings: Settings) {
    this.settings = settings
    this.size = settings.size
    this.now = monotonic(Context.get(settings.context, Clock.Clock))
    const scheduler = Context.get(settings.context, Scheduler.Scheduler)
    this.deliver = shallow(scheduler)
    this.fork = Effect.runForkWith(settings.context)
    this.soon = new Soon(scheduler, () => this.fill())
    this.tally = new PoolTally(this.now(), settings.metrics)
    this.gauge(0, settings.size)
    this.errors = poolErrors(settings.name)
    const { errors, tally } = this
    this.room = new PoolRoom({ settings, tally, errors, after: (millis, call) => this.after(millis, call) })
  }

  /** Runs a task when it is its turn; `deadline` in milliseconds from now. */
  submit<A, E, R>(
    task: Effect.Effect<A, E, R>,
    { deadline, priority }: { readonly deadline: number; readonly priority: Priority }
  ): Effect.Effect<A, E | Refusal, R> {
    return Effect.contextWith((context: Context.Context<R>) =>
      Effect.callback<A, E | Refusal>((resume) => {
        const job = new PoolJob({ host: this, cameAt: this.now(), priority, task, context, resume })
        if (this.closed) return this.room.turnAway(job, this.errors.closed)
        if (deadline <= 0) return this.room.turnAway(job, this.errors.late)
        if (this.running.size < this.size && !this.paused && this.room.size === 0) {
          this.tally.accepted++
          this.start(job, job.cameAt)
        } else this.room.enter(job)
        if (job.answered) return
        if (deadline !== Infinity) job.timer = this.after(deadline, () => this.expire(job))
        return Effect.suspend(() => this.leave(job))
      })
    )
  }

  get stats(): Stats {
    const { closed, paused, room, running, size, tally } = this
    const { accepted, highWater, refused } = tally
    return {
      size,
      active: running.size,
      queued: room.queued,
      waiting: room.waiting,
      highWater,
      accepted,
      refused,
      ...tally.outcomes,
      paused,
      closed
    }
  }

  /** `utilisation` is what it is resized for, if not by hand. */
  resize(size: number, utilisation?: number): void {
    const from = this.size
    if (size === from) return
    const pending = this.room.size
    this.hold(size)
    this.publish({ _tag: "Resized", from, to: size, pending, utilisation })
  }

  /** From now on so many run at a time, and nobody is told. */
  hold(size: number): void {
    const from = this.size
    const now = this.now()
    this.pass(now)
    this.size = size
    this.gauge(from, size)
    if (size > from) this.pressedAt = now
    this.fill()
  }

  /** Looks once at how busy it was since the last look, and follows the rule. */
  adapt(rule: Rule): void {
    const now = this.now()
    this.pass(now)
    const utilisation = this.tally.takeUtilisation()
    const { room, size } = this
    this.resize(nextSize(rule, { size, utilisation, pending: room.size, calm: now - this.pressedAt }), utilisation)
  }

  pause(): void {
    if (this.paused || this.closed) return
    this.paused = true
    this.publish({ _tag: "Paused" })
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.fill()
    this.publish({ _tag: "Resumed" })
  }

  /** Waits for a moment in which nothing runs and nothing waits. */
  readonly drain: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.idle) return resume(Effect.void)
    const wake = () => resume(Effect.void)
    this.idleWaiters.push(wake)
    return Effect.sync(() => void (this.idleWaiters = this.idleWaiters.filter((one) => one !== wake)))
  })

  /** Takes nothing more, lets what it took run until the time is over (ms), then interrupts it. */
  shutdown(within: number): Effect.Effect<Report> {
    return Effect.suspend(() => {
      this.close()
      return Effect.flatMap(this.idleWithin(within), () => {
        this.cut()
        return Effect.map(this.idleWithin(grace), () => {
          const report = { ...this.tally.outcomes, running: this.running.size }
          if (PubSub.endUnsafe(this.settings.changes, { _tag: "Closed", report })) this.gauge(this.size, 0)
          return report
        })
      })
    })
  }

  publish(change: Change): void {
    PubSub.publishUnsafe(this.settings.changes, change)
  }

  report(cause: Cause.Cause<unknown>): void {
    this.fork(Effect.logError(`${this.settings.name}: a task failed after it was answered`, cause))
  }

  private get idle(): boolean {
    return this.running.size === 0 && this.room.size === 0
  }

  private expire(job: Entry): void {
    if (job.where === "running") return job.stop("timedOut", this.errors.timedOut)
    if (job.where === "door") this.tally.refuse()
    this.room.withdraw(job, "timedOut")
    job.refuse(this.errors.late)
  }

  /** Whoever submitted it is interrupted. */
  private leave<A, E, R>(job: PoolJob<A, E, R>): Effect.Effect<void> {
    if (job.where === "running") return job.interrupt
    if (job.where === "gone") return Effect.void
    job.forget()
    this.room.withdraw(job, "interrupted")
    this.rest()
    return Effect.void
  }

  private fill(now?: number): void {
    if (this.filling) return
    this.filling = true
    let at = now
    for (let left = breath; !this.paused && this.running.size < this.size; left--) {
      if (left === 0) {
        this.soon.ask()
        break
      }
      const next = this.room.take()
      if (next === undefined) break
      this.pressedAt = at ?? this.now()
      this.start(next, this.pressedAt)
      at = undefined
    }
    this.filling = false
    this.rest()
  }

  private start(job: Entry, now: number): void {
    this.pass(now)
    job.where = "running"
    job.startedAt = now
    this.settings.metrics.counts.active++
    this.running.push(job)
    job.start(this.ended)
  }

  private readonly ended = (job: Entry): void => {
    const now = this.now()
    this.pass(now)
    this.running.remove(job)
    job.where = "gone"
    this.tally.ran(job, now)
    job.tell()
    this.fill(now)
  }

  private close(): void {
    if (this.closed) return
    this.closed = true
    this.paused = false
    this.room.closeDoor()
    this.fill()
    this.publish({ _tag: "Closing" })
  }

  private cut(): void {
    this.room.clear()
    const all = Array.from(this.running)
    for (const job of all) job.stop("cut", this.errors.cut)
    this.rest()
  }

  private rest(): void {
    if (!this.idle || this.idleWaiters.length === 0) return
    const { idleWaiters } = this
    this.idleWaiters = []
    for (const wake of idleWaiters) this.deliver(wake)
  }

  private idleWithin(millis: number): Effect.Effect<void> {
    if (this.idle) return Effect.void
    return millis === Infinity ? this.drain : Effect.raceFirst(this.drain, Effect.sleep(millis))
  }

  private after(millis: number, call: () => void): Fiber.Fiber<void> {
    const timer = this.fork(Effect.sleep(millis))
    timer.addObserver((exit) => {
      if (Exit.isFailure(exit)) return
      call()
      this.rest()
    })
    return timer
  }

  private pass(now: number): void {
    this.tally.pass(now, this.running.size, this.size)
  }

  /** No number of places is no number. */
  private gauge(from: number, to: number): void {
    const { counts } = this.settings.metrics
    for (const [size, sign] of [[from, -1], [to, 1]] as const) if (size < Infinity) counts.size += sign * size
  }
}
