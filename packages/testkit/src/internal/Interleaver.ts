import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import { VirtualClock } from "./VirtualClock.ts"

/**
 * Someone who can be given the next step: a fiber, or a wake-up that a primitive has scheduled.
 */
export interface Actor {
  /** Place among the fibers of the run in order of first step, 0 before that. Fiber ids are global: no good for this. */
  order: number
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  parked: Task | undefined
}

export interface Task {
  readonly actor: Actor
  readonly run: () => void
  /** Steps that the fiber resumed by this task takes before anyone may preempt it, so that each pick makes progress. */
  readonly grace: number
}

/**
 * Picks who goes on: 0 is `running` when given, else the oldest of `others`. Asked only when there are two or more.
 */
export type Choose = (running: Actor | undefined, others: ReadonlyArray<{ readonly actor: Actor }>) => number

export interface Options {
  readonly choose: Choose
  readonly maxSteps: number
  /** Called at each point between two steps, with the fiber that is about to take one, if any. `true` calls `interject`. */
  readonly onPoint?: (next: Fiber.Fiber<unknown, unknown> | undefined) => boolean
  /** Runs between two steps, outside every fiber. */
  readonly interject?: () => void
}

const fairSlice = 64

const isInterrupted = (fiber: object): boolean => "_interruptedCause" in fiber && fiber._interruptedCause !== undefined

const nobody = (): Actor => ({ order: 0, fiber: undefined, parked: undefined })

/**
 * A scheduler that puts the tasks of all dispatchers into one bag, and stops before each step of each fiber to ask
 * `choose` who goes on. It runs on the caller's stack: nothing happens outside `run` and `drain`.
 *
 * A run that takes more than `maxSteps` goes on under a fair round robin for as many steps again, so that a schedule
 * which only starves someone is not taken for a livelock.
 *
 * Invariant: at most one fiber is between two steps and not in the bag, or they are nested: a primitive of the lower one
 * resumed the upper one inline, and `stack` holds them from bottom to top.
 */
export class Interleaver implements Scheduler.Scheduler {
  readonly executionMode = "sync" as const
  readonly clock = new VirtualClock((wake) => this.enqueue(wake))
  readonly choices: Array<number> = []
  readonly live = new Set<Actor>()
  steps = 0
  livelock = false
  /** Nobody takes another step: a fiber that is resumed from outside, later, only lands in the bag. */
  closed = false
  private readonly options: Options
  private readonly actors = new Map<Fiber.Fiber<unknown, unknown>, Actor>()
  private bag: Array<Task> = []
  private stack: Array<Actor> = []
  private current: Task | undefined
  private next: Task | undefined
  private parking: Actor | undefined
  private grace = 0
  private interjecting = false

  constructor(options: Options) {
    this.options = options
  }

  get quiet(): boolean {
    return this.bag.length === 0 && this.next === undefined
  }

  actorOf(fiber: Fiber.Fiber<unknown, unknown>): Actor | undefined {
    return this.actors.get(fiber)
  }

  isParking(actor: Actor): boolean {
    return this.parking === actor
  }

  makeDispatcher = (): Scheduler.SchedulerDispatcher => ({
    scheduleTask: (run) => {
      this.enqueue(run)
    },
    flush: () => this.drain({ until: () => this.quiet, time: false })
  })

  shouldYield = (fiber: Fiber.Fiber<unknown, unknown>): boolean => {
    this.parking = undefined
    const unborn = !this.actors.has(fiber) && isInterrupted(fiber)
    const actor = this.enter(fiber)
    // Interrupted before its start, which is still in the bag: that would run it as if nothing had happened.
    if (unborn) return false
    if (this.closed) return this.park(actor)
    this.steps++
    if (this.steps > 2 * this.options.maxSteps) {
      this.livelock = true
      this.closed = true
      return this.park(actor)
    }
    if (this.options.onPoint?.(fiber) === true) this.interjecting = true
    if (this.interjecting) return this.park(actor)
    if (this.grace > 0) {
      this.grace--
      return false
    }
    if (this.next !== undefined) return this.park(actor)
    const beneath = this.stack.at(-2)
    if (beneath !== undefined) return this.choose(actor, [{ actor: beneath }]) === 0 ? false : this.park(actor)
    if (this.bag.length === 0) return false
    const choice = this.choose(actor, this.bag)
    if (choice === 0) return false
    this.next = this.bag.splice(choice - 1, 1)[0]
    return this.park(actor)
  }

  /** Starts something as if it were a task that was picked. */
  run<A>(start: () => A): A {
    this.current = undefined
    this.stack = []
    this.grace = 0
    return start()
  }

  /** Runs tasks, and time if `time`, until `until` holds or nothing is left to run. */
  drain(options: { readonly until: () => boolean; readonly time: boolean }): void {
    while (!this.closed && !options.until()) {
      if (!this.interjecting && this.options.onPoint?.(undefined) === true) this.interjecting = true
      if (this.interjecting) {
        this.interjecting = false
        this.run(() => this.options.interject?.())
        continue
      }
      const task = this.next ?? this.pick()
      this.next = undefined
      if (task !== undefined) {
        this.current = task
        this.grace = task.grace
        this.stack = []
        if (task.actor.parked === task) task.actor.parked = undefined
        task.run()
      } else if (!options.time || !this.clock.advance()) {
        return
      }
    }
  }

  private pick(): Task | undefined {
    return this.bag.length < 2 ? this.bag.pop() : this.bag.splice(this.choose(undefined, this.bag), 1)[0]
  }

  private choose(running: Actor | undefined, others: ReadonlyArray<{ readonly actor: Actor }>): number {
    const fair = running !== undefined && this.steps % fairSlice === 0 ? 1 : 0
    const last = running === undefined ? others.length - 1 : others.length
    const choice = this.steps > this.options.maxSteps ? fair : Math.min(last, this.options.choose(running, others))
    this.choices.push(choice)
    return choice
  }

  private enqueue(run: () => void): () => void {
    const parking = this.parking
    this.parking = undefined
    // A preempted fiber first evaluates its yield, then the step it stopped before.
    const task: Task = { actor: parking ?? nobody(), run, grace: parking === undefined ? 1 : 2 }
    if (parking !== undefined) parking.parked = task
    this.bag.push(task)
    return () => this.forget(task)
  }

  private park(actor: Actor): true {
    this.parking = actor
    this.stack.pop()
    return true
  }

  private forget(task: Task): void {
    const index = this.bag.indexOf(task)
    if (index >= 0) this.bag.splice(index, 1)
    if (this.next === task) this.next = undefined
  }

  /** Finds who is about to step, and who waits beneath it on the call stack. */
  private enter(fiber: Fiber.Fiber<unknown, unknown>): Actor {
    const top = this.stack.at(-1)
    const begins = fiber.currentOpCount === 1
    if (top !== undefined && top.fiber === fiber && !begins) return top
    const actor = this.actors.get(fiber) ?? this.meet(fiber)
    const place = this.stack.indexOf(actor)
    if (place >= 0) this.stack.length = begins ? place : place + 1
    if (begins || place < 0) {
      while (this.stack.at(-1)?.fiber?.pollUnsafe() !== undefined) this.stack.pop()
      if (this.stack.length > 0 || this.current === undefined) this.grace = 0
      this.current = undefined
      this.stack.push(actor)
      // Interrupted while it was parked: the task in the bag would do nothing.
      if (actor.parked !== undefined) this.forget(actor.parked)
      actor.parked = undefined
    }
    return actor
  }

  private meet(fiber: Fiber.Fiber<unknown, unknown>): Actor {
    const starter = this.current?.actor
    const actor = starter !== undefined && starter.fiber === undefined ? starter : nobody()
    actor.fiber = fiber
    this.actors.set(fiber, actor)
    actor.order = this.actors.size
    this.live.add(actor)
    fiber.addObserver(() => {
      this.live.delete(actor)
    })
    return actor
  }
}
