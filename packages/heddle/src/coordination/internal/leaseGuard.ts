import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import type { LeaseLost } from "../Lease.ts"
import type { Hold, Keeper } from "./leaseKeeper.ts"

/**
 * The scheduler of a section: before each step of each of its fibers it compares the lease's deadline with the clock,
 * and past the deadline interrupts the fiber in place of the step. A timer would come too late: after a synchronous
 * block, the code that follows the block runs before any timer does.
 */
class Guard implements Scheduler.Scheduler {
  readonly executionMode: "sync" | "async"
  readonly inner: Scheduler.Scheduler
  readonly hold: Hold
  readonly keeper: Keeper
  /** False once the section is over: a detached fiber of it that lives on is no longer bound to the lease. */
  open = true
  /** Interrupted already: their finalizers still have steps to run. */
  private stopped: WeakSet<Fiber.Fiber<unknown, unknown>> | undefined
  constructor(inner: Scheduler.Scheduler, hold: Hold, keeper: Keeper) {
    this.executionMode = inner.executionMode
    this.inner = inner
    this.hold = hold
    this.keeper = keeper
  }
  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return this.inner.makeDispatcher()
  }
  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    if (!this.open || this.keeper.isAlive(this.hold) || this.stopped?.has(fiber)) return this.inner.shouldYield(fiber)
    this.stopped ??= new WeakSet()
    this.stopped.add(fiber)
    fiber.interruptUnsafe()
    return true
  }
}

/**
 * Runs the effect in a child fiber for as long as the hold is alive.
 *
 * Masked: an interruption that comes while the child starts, from the child's own first steps, must find somebody who
 * hands it on to the child and waits.
 */
export const runHeld = <A, E, R>(
  keeper: Keeper,
  hold: Hold,
  token: bigint,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | LeaseLost, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.contextWith((context: Context.Context<R>) => {
      if (!keeper.isAlive(hold)) return Effect.fail(hold.lost(token))
      const guard = new Guard(Context.get(context, Scheduler.Scheduler), hold, keeper)
      const interrupt = () => child.interruptUnsafe()
      const settle = (exit: Exit.Exit<A, E>): Exit.Exit<A, E | LeaseLost> =>
        keeper.isAlive(hold) || Exit.hasFails(exit) || Exit.hasDies(exit) ? exit : Exit.fail(hold.lost(token))
      const child = Effect.runForkWith(context)(effect, { scheduler: guard })
      const exit = child.pollUnsafe()
      if (exit !== undefined) {
        guard.open = false
        return settle(exit)
      }
      const running = hold.running ??= new Set()
      running.add(interrupt)
      child.addObserver(() => {
        running.delete(interrupt)
        guard.open = false
      })
      const ended = Effect.onInterrupt(restore(Fiber.await(child)), () => Fiber.interrupt(child))
      return Effect.flatMap(ended, settle)
    })
  )
