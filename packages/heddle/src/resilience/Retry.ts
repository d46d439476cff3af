/**
 * Makes a call again when it failed, after a while, a few times, and not when that cannot help.
 *
 * **When to use**
 *
 * Where failures pass and the call may be made twice. Where it adds nothing to `Effect.retry`, use that: what is here is a cap on
 * the wait that holds after jitter, the wait that a server asked for, a budget that all callers share, and the deadline.
 *
 * **Details**
 *
 * Only typed failures are retried: a defect is a mistake in the program, and whoever interrupts does not want the call. A retry
 * whose wait would pass the deadline of `Deadline.within` is not waited for: the failure is given back at once. So it is when a
 * server asks to be left alone for longer than `longest`.
 *
 * **Gotchas**
 *
 * Retries at several levels multiply: three times three are nine. Retry in one place, nearest to the call.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type { InvalidOption } from "../internal/InvalidOption.ts"
import { tally } from "../internal/Tally.ts"
import { remaining } from "./Deadline.ts"
import { checked, positive, text, toMillis, whole } from "./internal/check.ts"
import type { RetryBudget } from "./RetryBudget.ts"

/**
 * When to retry. `E` is what the calls fail with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<in E = unknown> {
  /** Names the retries in the metrics' label `retry`: 1 to 200 characters. */
  readonly name: string
  /** How many retries there are, at most. Default 3. */
  readonly times?: number | undefined
  /** How long to wait before each; when it ends, so do the retries. Default: 100 ms, twice as long each time, jittered. */
  readonly schedule?: Schedule.Schedule<unknown, E> | undefined
  /** How long to wait at most, whatever the schedule says. Default 10 seconds. */
  readonly longest?: Duration.Input | undefined
  /** Which failures to retry. Default: all. */
  readonly while?: ((error: E) => boolean) | undefined
  /** How many milliseconds a failure asks to wait at least, such as a server's Retry-After. Default: none. */
  readonly retryAfter?: ((error: E) => number | undefined) | undefined
  /** Shared with everybody who calls the same dependency. Default: no budget. */
  readonly budget?: RetryBudget | undefined
}

/**
 * A way to retry.
 *
 * @category models
 * @since 0.1.0
 */
export interface Retry<in E = unknown> {
  readonly name: string
  /** How often a call is made, at most. */
  readonly attempts: number
  /** How long it waits before an attempt, at most, in milliseconds. */
  readonly longest: number
  /**
   * Makes a call, and makes it again while it fails and may.
   *
   * **Interruption**
   *
   * The attempt or the wait is interrupted, and there is no other attempt.
   */
  readonly run: <A, E1 extends E, R>(call: Effect.Effect<A, E1, R>) => Effect.Effect<A, E1, R>
}

/**
 * A way to retry. Fails with `InvalidOption` if an option is out of its range.
 *
 * **Example** (The third time works)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Retry } from "heddle/resilience"
 *
 * let attempts = 0
 * const flaky = Effect.suspend(() => ++attempts < 3 ? Effect.fail("busy") : Effect.succeed(attempts))
 *
 * const program = Effect.gen(function*() {
 *   const retry = yield* Retry.make({ name: "search", longest: "5 millis" })
 *   return yield* retry.run(flaky)
 * })
 *
 * await Effect.runPromise(program) // => 3
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E = unknown>(options: Options<E>): Effect.Effect<Retry<E>, InvalidOption> => {
  const { budget, name, schedule = doubling, times = 3 } = options
  const longest = toMillis(options.longest ?? "10 seconds")
  const checks = [text("name", name), whole("times", times, 0), positive("longest", longest)]
  return Effect.andThen(
    checked(checks),
    Effect.contextWith((context: Context.Context<never>) => {
      const counts = retriesOf(context, name)

      /** How long to wait before the next attempt, or why there is none. */
      const decide = (error: E, planned: number): Effect.Effect<number | Stop> => {
        const asked = options.retryAfter?.(error) ?? 0
        if (asked > longest) return Effect.succeed("exhausted")
        const wait = Math.max(asked, Math.min(planned, longest))
        return Effect.flatMap(remaining, (left): Effect.Effect<number | Stop> => {
          if (wait >= left) return Effect.succeed("late")
          return budget === undefined
            ? Effect.succeed(wait)
            : Effect.map(budget.tryExtra, (allowed) => allowed ? wait : "denied")
        })
      }

      const again = <A, E1 extends E, R>(call: Effect.Effect<A, E1, R>, first: E1): Effect.Effect<A, E1, R> =>
        Effect.flatMap(Schedule.toStep(schedule), (step) => {
          const attempt = (error: E1, left: number): Effect.Effect<A, E1, R> => {
            const stop = (why: Stop) => {
              counts[why]++
              return Effect.fail(error)
            }
            if (options.while?.(error) === false) return Effect.fail(error)
            if (left === 0) return stop("exhausted")
            return Effect.flatMap(
              Effect.exit(Effect.flatMap(Clock.currentTimeMillis, (now) => step(now, error))),
              (exit) =>
                Exit.isFailure(exit)
                  ? stop("exhausted")
                  : Effect.flatMap(decide(error, Duration.toMillis(exit.value[1])), (wait) => {
                    if (typeof wait !== "number") return stop(wait)
                    counts.retried++
                    return Effect.andThen(Effect.sleep(wait), call).pipe(
                      Effect.catch((error) => attempt(error, left - 1))
                    )
                  })
            )
          }
          return attempt(first, times)
        })

      return Effect.succeed<Retry<E>>({
        name,
        attempts: times + 1,
        longest,
        run: (call) => {
          const tried = call.pipe(Effect.catch((error) => again(call, error)))
          return budget === undefined ? tried : Effect.andThen(budget.call, tried)
        }
      })
    })
  )
}

/** Why a failure is given back: attempts or patience are used up, the budget is, or the deadline would be over. */
type Stop = "exhausted" | "denied" | "late"

const doubling = Schedule.jittered(Schedule.exponential("100 millis"))

const retriesOf = tally("heddle_retries_total", {
  description:
    "Retries, and failures given back since there was no retry left, the budget denied it, or it came too late",
  type: "counter",
  label: "retry",
  by: "outcome",
  zero: { retried: 0, exhausted: 0, denied: 0, late: 0 }
})
