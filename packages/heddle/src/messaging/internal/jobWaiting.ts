import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import { Alarm } from "../../coordination/Alarm.ts"
import type { Claimed, StoreUnavailable } from "../Job.ts"
import type { Claim, Steps } from "../JobBackend.ts"

/**
 * What is claimed at once. `next`: after how many milliseconds a claim may get something that nobody tells of, because a
 * delay or another's claim ends; `Infinity` for none.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Taken {
  readonly jobs: ReadonlyArray<Claimed>
  readonly next: number
}

/**
 * Steps of a backend whose claims do not wait by themselves.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Takes {
  /** Claims what is there. */
  readonly take: (claim: Claim) => Effect.Effect<Taken, StoreUnavailable>
  /**
   * Calls `wake` each time that the queue may have got something to claim, until the scope closes. Live when it returns, so that
   * nothing which came after is missed; it calls `wake` as well when it may have missed something. A worker that is idle listens
   * anew for each job: what is dear should be kept for a while.
   *
   * `give` takes what was claimed for this very claim without being asked for. What is given when it has taken something by itself
   * goes back.
   */
  readonly listen: (
    claim: Claim,
    wake: () => void,
    give: (jobs: ReadonlyArray<Claimed>) => void
  ) => Effect.Effect<void, StoreUnavailable, Scope.Scope>
  /** Hands back what an interrupted claim was given. */
  readonly handBackUnsafe: Steps["handBackUnsafe"]
  /** How long a closing store waits for what interrupted claims are still given: milliseconds. */
  readonly timeout: number
}

/**
 * A claim that waits, of steps that do not: it takes, and where there is nothing it listens and takes again each time it is
 * woken. Where the last claim of the queue had to wait, it listens first, and so takes once before it waits. A claim that is
 * interrupted while it takes hands back what it was given, and the scope does not close before: build it after what hands back.
 *
 * @category backends
 * @since 0.1.0
 */
export const waiting = (takes: Takes): Effect.Effect<Steps["claim"], never, Scope.Scope> =>
  Effect.gen(function*() {
    /** Requests whose claims were interrupted. */
    const left = new Set<Fiber.Fiber<Taken, StoreUnavailable>>()
    /** Those who wait until an instant at most. */
    const sleepers = new Set<Sleeper>()
    const alarm: Alarm<never> = new Alarm(
      yield* Clock.Clock,
      Effect.sync(() => {
        const now = alarm.now()
        let next = Infinity
        for (const { until, wake } of sleepers) {
          if (until <= now) wake()
          else next = Math.min(next, until)
        }
        return next
      })
    )
    yield* Effect.forkScoped(alarm.run)
    yield* Effect.addFinalizer(() =>
      left.size === 0 ? Effect.void : Effect.asVoid(Effect.timeoutOption(Fiber.awaitAll(left), takes.timeout))
    )
    return claiming(takes, left, (more, next) => {
      if (next === Infinity) return more.await
      const sleeper = { until: alarm.now() + next, wake: () => void more.openUnsafe() }
      // What removes it is there before it is, so no interruption comes between.
      const sleeping = Effect.suspend(() => {
        sleepers.add(sleeper)
        alarm.ring(sleeper.until)
        return more.await
      })
      return Effect.ensuring(sleeping, Effect.sync(() => sleepers.delete(sleeper)))
    })
  })

interface Sleeper {
  /** A monotonic instant, in milliseconds. */
  readonly until: number
  readonly wake: () => void
}

const claiming = (
  { handBackUnsafe, listen, take }: Takes,
  left: Set<Fiber.Fiber<Taken, StoreUnavailable>>,
  within: (more: Latch.Latch, millis: number) => Effect.Effect<void>
): Steps["claim"] => {
  /** The request goes on when its claim is interrupted: what it brings then goes back. */
  const taking = (claim: Claim): Effect.Effect<Taken, StoreUnavailable> =>
    Effect.flatMap(
      Effect.forkDetach(take(claim), { startImmediately: true }),
      (fiber) =>
        Effect.onInterrupt(Effect.interruptible(Fiber.join(fiber)), () =>
          Effect.sync(() => {
            left.add(fiber)
            fiber.addObserver((exit) => {
              left.delete(fiber)
              if (Exit.isSuccess(exit) && exit.value.jobs.length > 0) handBackUnsafe(exit.value.jobs)
            })
          }))
    )

  /** Queues whose last claim has waited. */
  const idle = new Set<string>()

  const takingAgain = (claim: Claim): Effect.Effect<ReadonlyArray<Claimed>, StoreUnavailable> =>
    Effect.scoped(Effect.suspend(() => {
      const more = Latch.makeUnsafe(false)
      let given: ReadonlyArray<Claimed> = []
      const give = (jobs: ReadonlyArray<Claimed>) => {
        given = jobs
        more.openUnsafe()
      }
      const handBack = (jobs: ReadonlyArray<Claimed>) => {
        if (jobs.length > 0) handBackUnsafe(jobs)
      }
      const again: Effect.Effect<ReadonlyArray<Claimed>, StoreUnavailable> = Effect.suspend(() => {
        more.closeUnsafe()
        return Effect.flatMap(taking(claim), ({ jobs, next }) => {
          if (jobs.length > 0) {
            handBack(given.filter((one) => !jobs.some(({ id, token }) => id === one.id && token === one.token)))
            return Effect.succeed(jobs)
          }
          idle.add(claim.queue)
          const waits = Effect.interruptible(Effect.suspend(() => within(more, next)))
          return Effect.flatMap(waits, () => given.length > 0 ? Effect.succeed(given) : again)
        })
      })
      const listening = Effect.interruptible(listen(claim, () => more.openUnsafe(), give))
      const claimed = Effect.andThen(listening, again)
      return Effect.onExit(claimed, (exit) => Effect.sync(() => Exit.isFailure(exit) && handBack(given)))
    }))

  return (claim) =>
    Effect.suspend(() => {
      if (claim.wait && idle.delete(claim.queue)) return takingAgain(claim)
      return Effect.flatMap(
        taking(claim),
        ({ jobs }) => jobs.length > 0 || !claim.wait ? Effect.succeed(jobs) : takingAgain(claim)
      )
    })
}
