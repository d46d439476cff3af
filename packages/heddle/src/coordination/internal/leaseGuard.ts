import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
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

/** Runs the effect in a child fiber for as long as the hold is alive. */
export const runHeld = <A, E, R>(
  keeper: Keeper,
  hold: Hold,
  token: bigint,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | LeaseLost, R> =>
  Effect.contextWith((context) =>
    Effect.withFiber((parent) => {
      if (!keeper.isAlive(hold)) return Effect.fail(hold.lost(token))
      const guard = new Guard(parent.cache.scheduler, hold, keeper)
      const interrupt = () => child.interruptUnsafe()
      const settle = (exit: Exit.Exit<A, E>): Exit.Exit<A, E | LeaseLost> => {
        hold.running?.delete(interrupt)
        guard.open = false
        if (keeper.isAlive(hold) || Exit.hasFails(exit) || Exit.hasDies(exit)) return exit
        return Exit.fail(hold.lost(token))
      }
      const child = Effect.runForkWith(context)(effect, { scheduler: guard })
      const exit = child.pollUnsafe()
      if (exit !== undefined) return settle(exit)
      hold.running ??= new Set()
      hold.running.add(interrupt)
      return Effect.flatMap(awaitOrInterrupt(child), settle)
    })
  )

/** Interruption of the one who waits interrupts the fiber and waits for its end. */
const awaitOrInterrupt = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<Exit.Exit<A, E>> =>
  Effect.callback((resume) => {
    const stop = fiber.addObserver((exit) => resume(Effect.succeed(exit)))
    return Effect.suspend(() => {
      stop()
      fiber.interruptUnsafe()
      return Effect.asVoid(Fiber.await(fiber))
    })
  })
