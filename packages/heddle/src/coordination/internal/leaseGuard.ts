import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import type { LeaseLost } from "../Lease.ts"
import type { Hold, Keeper, Kept } from "./leaseKeeper.ts"

type Watch = Pick<Keeper<Kept>, "isAlive">

/** What a fiber runs under, and what that runs under in turn. */
class Section {
  readonly outer: Section | undefined
  private readonly keeper: Watch
  private readonly hold: Hold<Kept>
  /** False once the section is over: a detached fiber of it that lives on is no longer bound to the lease. */
  open = true
  /** Interrupted already: their finalizers still have steps to run. */
  private stopped: WeakSet<Fiber.Fiber<unknown, unknown>> | undefined
  constructor(keeper: Watch, hold: Hold<Kept>, outer: Section | undefined) {
    this.keeper = keeper
    this.hold = hold
    this.outer = outer
  }
  /** Interrupts the fiber if the lease is over; false if it may take its step. */
  stops(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    if (!this.open || this.keeper.isAlive(this.hold) || this.stopped?.has(fiber)) return false
    this.stopped ??= new WeakSet()
    this.stopped.add(fiber)
    fiber.interruptUnsafe()
    return true
  }
}

const CurrentSection = Context.Reference<Section | undefined>("heddle/Lease/CurrentSection", {
  defaultValue: () => undefined
})

/**
 * The scheduler of sections: before each step of each of their fibers it compares the lease's deadline with the clock,
 * and past the deadline interrupts the fiber in place of the step. A timer would come too late: after a synchronous
 * block, the code that follows the block runs before any timer does.
 */
class Guard implements Scheduler.Scheduler {
  readonly executionMode: "sync" | "async"
  private readonly inner: Scheduler.Scheduler
  /** The fiber that took the last step, and its section: most steps are of the same fiber as the one before. */
  private fiber: Fiber.Fiber<unknown, unknown> | undefined
  private section: Section | undefined
  constructor(inner: Scheduler.Scheduler) {
    this.executionMode = inner.executionMode
    this.inner = inner
  }
  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return this.inner.makeDispatcher()
  }
  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    if (fiber !== this.fiber) {
      this.fiber = fiber
      this.section = fiber.getRef(CurrentSection)
    }
    for (let section = this.section; section !== undefined; section = section.outer) {
      if (section.stops(fiber)) return true
    }
    return this.inner.shouldYield(fiber)
  }
}

const guards = new WeakMap<Scheduler.Scheduler, Guard>()
const guarded = new WeakMap<Context.Context<never>, Context.Context<never>>()

/** The context with its scheduler guarded. Remembered, because a fiber's context with another scheduler is dear to make. */
const guard = <R>(context: Context.Context<R>): Context.Context<R> => {
  // The map holds what was made of this very context, which the type of a map of all contexts cannot say.
  const known = guarded.get(context) as Context.Context<R> | undefined
  if (known !== undefined) return known
  const scheduler = Context.get(context, Scheduler.Scheduler)
  if (scheduler instanceof Guard) return context
  let found = guards.get(scheduler)
  if (found === undefined) guards.set(scheduler, found = new Guard(scheduler))
  const made = Context.add(context, Scheduler.Scheduler, found)
  guarded.set(context, made)
  return made
}

/** Starts the effect in a fiber that lives for as long as the hold does, and tells how it ended. The fiber; undefined where it has ended at once. */
export const startHeld = <A, E, R>(
  keeper: Watch,
  hold: Hold<Kept>,
  context: Context.Context<R>,
  effect: Effect.Effect<A, E, R>,
  ended: (exit: Exit.Exit<A, E>) => void
): Fiber.Fiber<A, E> | undefined => {
  const section = new Section(keeper, hold, Context.get(context, CurrentSection))
  const child = Effect.runForkWith(Context.add(guard(context), CurrentSection, section))(effect)
  const exit = child.pollUnsafe()
  if (exit !== undefined) {
    section.open = false
    ended(exit)
    return undefined
  }
  const interrupt = () => child.interruptUnsafe()
  const running = hold.running ??= new Set()
  running.add(interrupt)
  child.addObserver((exit) => {
    running.delete(interrupt)
    section.open = false
    ended(exit)
  })
  // By its own first steps it may have lost the hold.
  if (hold.over !== undefined) interrupt()
  return child
}

/**
 * Runs the effect in a child fiber for as long as the hold is alive.
 *
 * Masked: an interruption that comes while the child starts, from the child's own first steps, must find somebody who
 * hands it on to the child and waits.
 */
export const runHeld = <A, E, R>(
  keeper: Watch,
  hold: Hold<Kept>,
  token: bigint,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | LeaseLost, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.contextWith((context: Context.Context<R>): Effect.Effect<A, E | LeaseLost> => {
      if (!keeper.isAlive(hold)) return Effect.fail(hold.lost(token))
      let over: Exit.Exit<A, E | LeaseLost> | undefined
      let resume: ((exit: Exit.Exit<A, E | LeaseLost>) => void) | undefined
      const child = startHeld(keeper, hold, context, effect, (exit) => {
        over = keeper.isAlive(hold) || Exit.hasFails(exit) || Exit.hasDies(exit) ? exit : Exit.fail(hold.lost(token))
        resume?.(over)
      })
      if (child === undefined) return over ?? Effect.never
      const ended = Effect.callback<A, E | LeaseLost>((ended) => {
        if (over !== undefined) ended(over)
        resume = ended
      })
      return Effect.onInterrupt(restore(ended), () => Fiber.interrupt(child))
    })
  )
