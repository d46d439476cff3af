import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import type { Line } from "../../internal/Line.ts"
import type { Outcome } from "../FanOut.ts"
import { Begun, Lane } from "./fanOutLane.ts"
import { family, type Latency, type Teller } from "./flowMetrics.ts"

const fanOuts = family("fan_out", {
  depth: "Items that are known and not begun",
  active: "Items that are worked on",
  completed: "Items whose task succeeded",
  failed: "Items whose task failed, died or was interrupted by itself"
}, "How long a task took")

const nothing = { depth: 0, active: 0, completed: 0, failed: 0 }

export interface Work<A, B, E, R, SE> {
  readonly items: ReadonlyArray<A>
  /** Asks for the next items; `undefined` where there are no others. */
  readonly more: Pull.Pull<NonEmptyReadonlyArray<A>, SE, unknown, R> | undefined
  readonly task: (item: A, index: number) => Effect.Effect<B, E, R>
  readonly workers: number
  /** No more than so many are begun, until it is raised. */
  readonly limit: number
  /** Each item that was begun is told of once, here or to `failed`, unless it was interrupted when the lanes were closed. */
  readonly succeeded: (index: number, item: A, value: B) => void
  readonly failed: (index: number, item: A, cause: Cause.Cause<E>) => void
  /** Whether nothing more is begun after the first failure. */
  readonly stops: boolean
  /** What closing does with the defects of tasks that it interrupted. */
  readonly unclean: (defects: Cause.Cause<never>) => Effect.Effect<void>
  /** Told once: when every item is done, with the failure of the source if it failed, or when the lanes were closed before. */
  readonly over: (exit: Exit.Exit<void, SE>) => void
  readonly name: string | undefined
}

/** Makes the outcome of each item. */
export const outcomes = <A, B, E>(
  record: (outcome: Outcome<A, B, E>) => void
): Pick<Work<A, B, E, never, never>, "stops" | "succeeded" | "failed"> => ({
  stops: false,
  succeeded: (index, item, value) => record({ index, item, exit: Exit.succeed(value) }),
  failed: (index, item, cause) => record({ index, item, exit: Exit.failCause(cause) })
})

/**
 * Fibers that share items: a lane takes the next item as soon as it is done with one, so that no fiber is made for an item.
 *
 * A lane that finds nothing to do ends; whoever brings work (an item that arrived, room that was made, a lane that ended in the
 * wrong moment) calls `grow`. Nobody waits to be woken, so no wake can be lost. Always: `started = finished + running`.
 */
export class Lanes<A, B, E, R, SE> implements Teller {
  before: Teller | undefined = undefined
  behind: Teller | undefined = undefined
  line: Line<Teller> | undefined = undefined
  finished = 0
  failed = 0
  /** Success when every item is done, else why not. */
  end: Exit.Exit<void, SE> | undefined
  private readonly work: Work<A, B, E, R, SE>
  private readonly tally: ReturnType<typeof fanOuts.of>
  private readonly latency: Latency | undefined
  private told = nothing
  private readonly runFork: (effect: Effect.Effect<void, E, R>) => Fiber.Fiber<void, E>
  private readonly fibers = new Set<Fiber.Fiber<unknown, unknown>>()
  private items: ReadonlyArray<A>
  private at = 0
  /** The items that can be begun are those from `at` to before here. */
  private until = 0
  /** How many items there were before those that are here. */
  private earlier = 0
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
    this.latency = this.tally.latency
    this.tally.tellers.push(this)
    this.runFork = Effect.runForkWith(context)
    this.bound()
  }

  get started(): number {
    return this.earlier + this.at
  }

  /** Begins; also an array of nothing ends. */
  start(): void {
    this.settle()
  }

  /** Room for more: as many may be begun in all. */
  raise(limit: number): void {
    this.limit = limit
    this.bound()
    this.grow()
  }

  /** Interrupts what runs and waits for it. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.shut()
    return Effect.flatMap(Fiber.interruptAll(Array.from(this.fibers)), () => {
      if (this.line !== undefined) this.tally.tellers.remove(this)
      this.book(0, 0)
      this.finishAll(Exit.interrupt())
      return this.defects.reasons.length === 0 ? Effect.void : this.work.unclean(this.defects)
    })
  })

  tell(): void {
    this.book(this.items.length - this.at, this.started - this.finished)
  }

  /** Corrects what it has added to the counts. */
  private book(depth: number, active: number): void {
    const { counts } = this.tally
    const { failed, told } = this
    const completed = this.finished - failed
    counts.depth += depth - told.depth
    counts.active += active - told.active
    counts.completed += completed - told.completed
    counts.failed += failed - told.failed
    this.told = { depth, active, completed, failed }
  }

  /** Whether an item can be begun. */
  get here(): boolean {
    return this.at < this.until
  }

  get canPull(): boolean {
    return this.more !== undefined && !this.pulling && this.started < this.limit && !this.closed
  }

  /** How many more lanes have something to do at once, beside those that are about to take something. */
  private get idleWork(): number {
    return Math.max(0, this.until - this.at) + (this.canPull ? 1 : 0) - this.fresh
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

  private shut(): void {
    this.closed = true
    this.bound()
  }

  private bound(): void {
    this.until = this.closed ? 0 : Math.min(this.items.length, this.limit - this.earlier)
  }

  /** Takes the next item, in the place of the last one. Only where one is `here`. */
  take(last: Begun<A> | undefined): Begun<A> {
    const index = this.started
    const item = Arr.getUnsafe(this.items, this.at++)
    const begun = last ?? new Begun(index, item)
    begun.index = index
    begun.item = item
    if (this.latency !== undefined) begun.since = this.latency.now()
    if (this.lanes < this.work.workers) this.grow()
    return begun
  }

  /** One that was taken has ended well. */
  succeed(begun: Begun<A>, value: B): void {
    this.ended(begun)
    this.work.succeeded(begun.index, begun.item, value)
  }

  /** One that was taken has not ended well. */
  fail(begun: Begun<A>, cause: Cause.Cause<E>): void {
    this.ended(begun)
    this.failed++
    if (this.closed) this.keep(cause)
    else if (this.work.stops) this.shut()
    this.work.failed(begun.index, begun.item, cause)
  }

  private ended({ since }: Begun<A>): void {
    if (this.latency !== undefined) this.latency.took(this.latency.now() - since)
    this.finished++
  }

  /** What brings the next items, for the one lane that asks for them at a time. */
  ask(): Work<A, B, E, R, SE>["more"] {
    this.pulling = true
    return this.more
  }

  arrived(items: ReadonlyArray<A>): void {
    this.pulling = false
    this.earlier = this.started
    this.items = items
    this.at = 0
    this.bound()
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
    const lane = new Lane(this, this.work, this.more !== undefined)
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
