import * as Array from "effect/Array"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Scheduler from "effect/Scheduler"
import { Line } from "../../internal/Line.ts"
import { monotonic } from "../../internal/monotonic.ts"
import { Soon } from "../../internal/Soon.ts"
import { type Batch, BatchQueue, type Exits, type Limits, wrong } from "./batchQueue.ts"
import { family } from "./flowMetrics.ts"
import { shallow } from "./shallow.ts"
import { StillClock } from "./StillClock.ts"
import { Timer } from "./Timer.ts"

export interface Settings<I, A, E, R> extends Limits {
  readonly run: (items: Array.NonEmptyReadonlyArray<I>) => Effect.Effect<ReadonlyArray<Exit.Exit<A, E>>, E, R>
  readonly concurrency: number
  /** Milliseconds between two starts. */
  readonly interval: number
  readonly name: string | undefined
  readonly context: Context.Context<R>
}

/** Takes batches out of the queue when they should go, and runs them. */
export class Flights<I, A, E, R> {
  readonly queue: BatchQueue<I, A, E>
  readonly flying = new Line<Batch<I, A, E>>()
  /** Open once it was told to end and nothing is left. */
  readonly idle = Latch.makeUnsafe(false)
  /** What a batch ends with that is cut off; until then, as its interruption says. */
  private cutOff: Exit.Exit<never, E> | undefined
  readonly interrupted: globalThis.Array<I> = []
  private readonly settings: Settings<I, A, E, R>
  private readonly soon: Soon
  private readonly deliver: (call: () => void) => void
  private readonly timer: Timer
  private readonly clock: StillClock
  private readonly fork: (effect: Effect.Effect<void, never, R>) => Fiber.Fiber<void>
  private told: globalThis.Array<() => void> = []
  private nextStart = -Infinity
  private runners = 0
  private ending = false
  constructor(settings: Settings<I, A, E, R>) {
    const { context, name } = settings
    this.settings = settings
    this.clock = new StillClock(monotonic(Context.get(context, Clock.Clock)))
    this.fork = Effect.runForkWith(context)
    const scheduler = Context.get(context, Scheduler.Scheduler)
    this.soon = new Soon(scheduler, () => this.turn())
    this.deliver = shallow(scheduler)
    this.timer = new Timer(context, this.clock.now, () => this.soon.ask())
    this.queue = new BatchQueue(settings, this.clock.now, metrics.of(context, { name }), (call) => this.tell(call))
  }

  /** An item was taken: the first starts the clock, and one that makes a batch full sends it off. */
  look(): void {
    if (this.runners >= this.settings.concurrency) return
    const { queue } = this
    if (queue.size === 1 || queue.full) this.soon.ask()
  }

  /** What stands in the queue goes without waiting for more. */
  press(): void {
    this.queue.press()
    this.soon.ask()
  }

  end(): void {
    this.ending = true
    this.press()
  }

  interruptAll(cutOff: Exit.Exit<never, E>): void {
    this.cutOff = cutOff
    const fibers = Array.map([...this.flying], ({ fiber }) => fiber)
    for (const fiber of fibers) fiber?.interruptUnsafe()
  }

  private tell(call: () => void): void {
    this.told.push(call)
    this.soon.ask()
  }

  private turn(): void {
    const { told } = this
    this.told = []
    for (const call of told) call()
    while (this.runners < this.settings.concurrency) {
      const batch = this.next()
      if (batch === undefined) break
      this.run(batch)
    }
    if (!this.ending || this.queue.size + this.flying.size > 0) return
    this.timer.stop()
    this.idle.openUnsafe()
  }

  /** The batch that should go now; if one should later, the timer is set. */
  private next(): Batch<I, A, E> | undefined {
    const { interval } = this.settings
    const at = Math.max(this.queue.due, this.nextStart)
    if (at > -Infinity && at > this.clock.now()) {
      this.timer.set(at)
      return undefined
    }
    const batch = this.queue.cut()
    if (batch === undefined) return undefined
    if (interval > 0) this.nextStart = this.clock.now() + interval
    this.flying.push(batch)
    return batch
  }

  private run(batch: Batch<I, A, E>): void {
    const runner = { batch, busy: true }
    this.runners++
    const fiber = this.fork(this.runAll(runner))
    runner.batch.fiber = fiber
    fiber.addObserver((exit) => {
      this.runners--
      if (runner.busy && Exit.isFailure(exit)) this.broken(runner.batch, Exit.failCause(exit.cause))
      this.soon.ask()
    })
  }

  /** One batch after another: an interruption of what runs ends the fiber, and another one goes on. */
  private runAll(runner: { batch: Batch<I, A, E>; busy: boolean }): Effect.Effect<void, never, R> {
    const { run } = this.settings
    const land = (exits: Exits<A, E>) => {
      this.land(runner.batch, exits, false)
      const batch = this.next()
      if (batch === undefined) {
        runner.busy = false
        return Effect.void
      }
      batch.fiber = runner.batch.fiber
      runner.batch = batch
      return one
    }
    const one: Effect.Effect<void, never, R> = Effect.matchCauseEffect(Effect.suspend(() => run(runner.batch.items)), {
      onSuccess: (exits) => land(exits.length === runner.batch.size ? exits : wrong(runner.batch.size, exits.length)),
      onFailure: (cause) => land(Exit.failCause(cause))
    })
    // Known before the first batch runs, which may already be left by those who brought it.
    return Effect.withFiber((fiber) => {
      runner.batch.fiber = fiber
      return one
    })
  }

  private broken(batch: Batch<I, A, E>, exit: Exit.Exit<never>): void {
    if (this.cutOff !== undefined) this.interrupted.push(...batch.items)
    this.land(batch, this.cutOff ?? exit, true)
  }

  private land(batch: Batch<I, A, E>, exits: Exits<A, E>, dropped: boolean): void {
    this.flying.remove(batch)
    this.queue.end(batch, exits, dropped)
    const tell = () => batch.tell(exits)
    this.deliver(() => this.clock.hold(tell))
  }
}

const counted = {
  depth: "Items that were taken and are in no batch",
  waiting: "Items that wait for room",
  active: "Items in batches that run",
  completed: "Items that succeeded",
  failed: "Items that failed, or whose batch did",
  dropped:
    "Items that were taken and did not run to their end: their submitters were interrupted, or a shutdown was over"
}

const metrics = family("batcher", counted, "How long items took, from when they were taken to their end")
