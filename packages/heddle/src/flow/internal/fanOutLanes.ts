import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import { Begun, Lane } from "./fanOutLane.ts"
import { family } from "./flowMetrics.ts"

const fanOuts = family("fan_out", {
  depth: "Items that are known and not begun",
  active: "Items that are worked on",
  completed: "Items whose task succeeded",
  failed: "Items whose task failed, died or was interrupted by itself"
}, "How long a task took")

export interface Work<A, B, E, R, SE> {
  readonly items: ReadonlyArray<A>
  /** Asks for the next items; `undefined` where there are no others. */
  readonly more: Pull.Pull<NonEmptyReadonlyArray<A>, SE, unknown, R> | undefined
  readonly task: (item: A, index: number) => Effect.Effect<B, E, R>
  readonly workers: number
  /** No more than so many are begun, until it is raised. */
  readonly limit: number
  /** Told of each item that was begun, once, unless it was interrupted when the lanes were closed. */
  readonly record: (index: number, item: A, exit: Exit.Exit<B, E>) => void
  /** Told of the first failure, after which nothing more is begun. `undefined` where failures stop nothing. */
  readonly failed?: ((cause: Cause.Cause<E>) => void) | undefined
  /** What closing does with the defects of tasks that it interrupted. */
  readonly unclean: (defects: Cause.Cause<never>) => Effect.Effect<void>
  /** Told once: when every item is done, with the failure of the source if it failed, or when the lanes were closed before. */
  readonly over: (exit: Exit.Exit<void, SE>) => void
  readonly name: string | undefined
}

/**
 * Fibers that share items: a lane takes the next item as soon as it is done with one, so that no fiber is made for an item.
 *
 * A lane that finds nothing to do ends; whoever brings work (an item that arrived, room that was made, a lane that ended in the
 * wrong moment) calls `grow`. Nobody waits to be woken, so no wake can be lost. Always: `started = finished + running`.
 */
export class Lanes<A, B, E, R, SE> {
  started = 0
  finished = 0
  failed = 0
  /** Success when every item is done, else why not. */
  end: Exit.Exit<void, SE> | undefined
  private readonly work: Work<A, B, E, R, SE>
  private readonly tally: ReturnType<typeof fanOuts.of>
  private readonly runFork: (effect: Effect.Effect<void, never, R>) => Fiber.Fiber<void>
  private readonly fibers = new Set<Fiber.Fiber<unknown, unknown>>()
  private items: ReadonlyArray<A>
  private at = 0
  private limit: number
  private more: Work<A, B, E, R, SE>["more"]
  private pulling = false
  private broken: Cause.Cause<SE> | undefined
  private lanes = 0
  /** Lanes that have not yet taken anything. */
  private fresh = 0
  private growing = false
  private closed = false
  private defects: Cause.Cause<never> = Cause.empty

  constructor(work: Work<A, B, E, R, SE>, context: Context.Context<R>) {
    this.work = work
    this.items = work.items
    this.limit = work.limit
    this.more = work.more
    this.tally = fanOuts.of(context, { name: work.name })
    this.tally.counts.depth += work.items.length
    this.runFork = Effect.runForkWith(context)
  }

  /** Begins; also an array of nothing ends. */
  start(): void {
    this.settle()
  }

  /** Room for more: as many may be begun in all. */
  raise(limit: number): void {
    this.limit = limit
    this.grow()
  }

  /** Interrupts what runs and waits for it. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.closed = true
    return Effect.flatMap(Fiber.interruptAll(Array.from(this.fibers)), () => {
      this.tally.counts.active -= this.started - this.finished
      this.tally.counts.depth -= this.items.length - this.at
      this.finishAll(Exit.interrupt())
      return this.defects.reasons.length === 0 ? Effect.void : this.work.unclean(this.defects)
    })
  })

  /** Whether an item can be begun. */
  get here(): boolean {
    return this.at < this.items.length && this.started < this.limit && !this.closed
  }

  get canPull(): boolean {
    return this.more !== undefined && !this.pulling && this.started < this.limit && !this.closed
  }

  /** How many more lanes have something to do at once, beside those that are about to take something. */
  private get idleWork(): number {
    const here = this.here ? Math.min(this.items.length - this.at, this.limit - this.started) : 0
    return here + (this.canPull ? 1 : 0) - this.fresh
  }

  private grow(): void {
    if (this.growing) return
    this.growing = true
    while (this.lanes < this.work.workers && this.idleWork > 0) this.fork()
    this.growing = false
  }

  private settle(): void {
    if (this.lanes > 0 || this.closed || this.at < this.items.length || this.more !== undefined) return this.grow()
    this.finishAll(this.broken === undefined ? Exit.void : Exit.failCause(this.broken))
  }

  private finishAll(exit: Exit.Exit<void, SE>): void {
    if (this.end !== undefined) return
    this.end = exit
    this.work.over(exit)
  }

  /** Takes the next item. Only where one is `here`. */
  take(): Begun<A> {
    const { counts, latency } = this.tally
    const item = Arr.getUnsafe(this.items, this.at++)
    const begun = new Begun(this.started++, item, latency === undefined ? 0 : latency.now())
    counts.depth--
    counts.active++
    if (this.lanes < this.work.workers) this.grow()
    return begun
  }

  /** One that was taken has ended. */
  finish({ index, item, since }: Begun<A>, exit: Exit.Exit<B, E>): void {
    const { counts, latency } = this.tally
    const { failed, record } = this.work
    if (latency !== undefined) latency.took(latency.now() - since)
    counts.active--
    this.finished++
    if (exit._tag === "Success") counts.completed++
    else {
      counts.failed++
      this.failed++
      if (this.closed) this.keep(exit.cause)
      else if (failed !== undefined) {
        this.closed = true
        failed(exit.cause)
      }
    }
    record(index, item, exit)
  }

  /** What brings the next items, for the one lane that asks for them at a time. */
  ask(): Work<A, B, E, R, SE>["more"] {
    this.pulling = true
    return this.more
  }

  arrived(items: ReadonlyArray<A>): void {
    this.pulling = false
    this.items = items
    this.at = 0
    this.tally.counts.depth += items.length
  }

  /** There are no more items, or who asked for them was interrupted. */
  sourceEnded(cause: Cause.Cause<SE | Cause.Done<unknown>>): void {
    this.pulling = false
    this.more = undefined
    const exit = Pull.doneExitFromCause(cause)
    if (exit._tag === "Failure") this.broken = exit.cause
  }

  /** A lane has got something to do for the first time. */
  atWork(): void {
    this.fresh--
  }

  private fork(): void {
    const lane = new Lane(this, this.work.task, this.more !== undefined)
    this.lanes++
    this.fresh++
    // Known from its first step on: a task that ends everything at once may run before `runFork` returns.
    const known = Effect.withFiber((fiber) => {
      this.fibers.add(fiber)
      return lane.run
    })
    const fiber = this.runFork(known)
    this.fibers.add(fiber)
    fiber.addObserver((exit) => {
      this.fibers.delete(fiber)
      this.lanes--
      lane.ended(exit, this.closed)
      this.settle()
    })
  }

  private keep(cause: Cause.Cause<unknown>): void {
    const defects = cause.reasons.filter((reason) => reason._tag === "Die")
    if (defects.length > 0) this.defects = Cause.fromReasons([...this.defects.reasons, ...defects])
  }
}
