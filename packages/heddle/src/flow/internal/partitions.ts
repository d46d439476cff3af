import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Scheduler from "effect/Scheduler"
import { CurrentObserver, type Observer, type Turn, waiting } from "../../internal/Contended.ts"
import { Soon } from "../../internal/Soon.ts"
import type { Left, PartitionerClosed, Stats } from "../Partitioner.ts"
import { drain } from "./draining.ts"
import { Job } from "./partitionJob.ts"
import { Lanes, type Room } from "./partitionLanes.ts"
import { Rounds } from "./partitionRunner.ts"
import { Leaving } from "./Ticket.ts"

export interface Settings<I, A, E, R> extends Room {
  readonly key: (item: I) => unknown
  readonly handle: (item: I) => Effect.Effect<A, E, R>
  readonly concurrency: number
  readonly context: Context.Context<R>
  readonly closed: (started: boolean) => PartitionerClosed
}

/** Fibers that go round the lanes, each with one item at a time. */
export class Partitions<I, A, E, R> {
  /** Whether somebody was told what was left. */
  reported = false
  private readonly settings: Settings<I, A, E, R>
  private readonly refused: Exit.Exit<never, PartitionerClosed>
  private readonly lanes: Lanes<I, A, E>
  private readonly soon: Soon
  private readonly fork: (effect: Effect.Effect<void, never, R>) => Fiber.Fiber<void>
  private readonly observer: Observer | undefined
  private readonly idle = Latch.makeUnsafe(false)
  private readonly interrupted: Array<I> = []
  private notRun: ReadonlyArray<I> = []
  private runners = 0
  private closed = false
  private cut = false
  constructor(settings: Settings<I, A, E, R>) {
    this.settings = settings
    this.refused = Exit.fail(settings.closed(false))
    this.fork = Effect.runForkWith(settings.context)
    this.observer = Context.get(settings.context, CurrentObserver)
    this.soon = new Soon(Context.get(settings.context, Scheduler.Scheduler), () => this.turn())
    this.lanes = new Lanes(settings, () => this.soon.ask())
  }

  submit(item: I): Effect.Effect<A, E | PartitionerClosed> {
    const { key: keyOf, name = "Partitioner" } = this.settings
    const { observer } = this
    if (observer === undefined) return this.brought(item)
    return Effect.suspend(() => {
      const key = keyOf(item)
      const what = { kind: "partitioner", name, title: `${name} ${String(key)}`, owner: this, key }
      return waiting(observer, what, (turn) => this.brought(item, turn))
    })
  }

  private brought(item: I, turn?: Turn): Effect.Effect<A, E | PartitionerClosed> {
    return Effect.callback((resume) => {
      if (this.closed) return resume(this.refused)
      const job = new Job<I, A, E>(item, this.lanes.of(this.settings.key(item)), resume)
      job.turn = turn
      this.lanes.enter(job)
      return new Leaving(this.leave, job)
    })
  }

  enqueue(item: I): Effect.Effect<Effect.Effect<A, E | PartitionerClosed>, PartitionerClosed> {
    return new Bringing(this, item)
  }

  bring(item: I): Effect.Effect<Effect.Effect<A, E | PartitionerClosed>, PartitionerClosed> {
    const lane = this.closed ? undefined : this.lanes.withRoom(this.settings.key(item))
    if (lane === undefined) return this.enqueueLater(item)
    const job = new Job<I, A, E>(item, lane)
    this.lanes.enter(job)
    return Effect.succeed(job)
  }

  private enqueueLater(item: I): Effect.Effect<Effect.Effect<A, E | PartitionerClosed>, PartitionerClosed> {
    return Effect.callback((resume) => {
      if (this.closed) return resume(this.refused)
      const job = new Job<I, A, E>(item, this.lanes.of(this.settings.key(item)))
      if (this.lanes.enter(job)) return resume(Effect.succeed(job))
      job.admitted = () => resume(job.exit === this.refused ? this.refused : Effect.succeed(job))
      return new Leaving(this.leave, job)
    })
  }

  get stats(): Stats {
    const { active, byKey, total, waiting } = this.lanes
    return { keys: byKey.size, waiting, queued: total - active, active }
  }

  /** Takes nothing more, and lets what was taken run until the time is over; then says what did not. */
  shutdown(within: number): Effect.Effect<Left<I>> {
    return Effect.suspend(() => {
      this.close()
      return Effect.map(drain(this.idle, within, () => this.interruptAll()), () => this.report())
    })
  }

  private turn(): void {
    this.lanes.tellAll()
    while (this.runners < this.settings.concurrency) {
      const job = this.lanes.take()
      if (job === undefined) break
      this.run(job)
    }
    if (this.closed && this.lanes.total === 0) this.idle.openUnsafe()
  }

  private run(job: Job<I, A, E>): void {
    const runner = new Rounds(job, this.lanes, this.settings.handle)
    this.runners++
    const fiber = this.fork(runner.all)
    runner.fiber = fiber
    fiber.addObserver((exit) => {
      this.runners--
      if (runner.busy && Exit.isFailure(exit)) this.broken(runner.job, Exit.failCause(exit.cause))
      if (this.lanes.ready.head !== undefined) this.soon.ask()
    })
  }

  private broken(job: Job<I, A, E>, exit: Exit.Exit<never>): void {
    if (!this.cut) return this.lanes.end(job, exit, "dropped")
    this.interrupted.push(job.item)
    this.lanes.end(job, Exit.fail(this.settings.closed(true)), "dropped")
  }

  /** The one who waits for an item's end or for room goes: with the item, wherever it is. */
  private readonly leave = (job: Job<I, A, E>): Effect.Effect<void> => {
    const { exit, lane } = job
    if (exit === undefined && lane.runner?.job === job) {
      lane.runner.fiber?.interruptUnsafe()
      return Effect.asVoid(Effect.exit(job))
    }
    if (exit === undefined) this.lanes.remove(job)
    return Effect.void
  }

  private close(): void {
    if (this.closed) return
    this.closed = true
    this.lanes.turnAway(this.refused)
    if (this.lanes.total === 0) this.idle.openUnsafe()
  }

  private interruptAll(): void {
    if (this.lanes.total === 0) return
    this.cut = true
    this.notRun = [...this.notRun, ...this.lanes.clear(this.refused)]
    for (const { runner } of this.lanes.byKey.values()) runner?.fiber?.interruptUnsafe()
  }

  private report(): Left<I> {
    const running = Array.from(this.lanes.byKey.values()).flatMap(({ runner }) =>
      runner === undefined ? [] : [runner.job.item]
    )
    this.reported = true
    return { notRun: this.notRun, interrupted: [...this.interrupted, ...running] }
  }
}

/** One item that is brought: one object in place of a function and what it remembers. */
class Bringing<I, A, E, R> extends Effectable.Class<Effect.Effect<A, E | PartitionerClosed>, PartitionerClosed> {
  private readonly partitions: Partitions<I, A, E, R>
  private readonly item: I
  constructor(partitions: Partitions<I, A, E, R>, item: I) {
    super()
    this.partitions = partitions
    this.item = item
  }

  override asEffect(): Effect.Effect<Effect.Effect<A, E | PartitionerClosed>, PartitionerClosed> {
    return this.partitions.bring(this.item)
  }
}
