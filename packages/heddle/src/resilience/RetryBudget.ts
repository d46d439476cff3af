/**
 * Bounds extra work, retries and hedges, to a share of all calls.
 *
 * When a dependency fails, everybody who retries three times sends it four times the load, just then. A budget that all who call
 * it share allows a few retries while failures are few, and hardly any when everything fails. It never denies a first attempt.
 *
 * **When to use**
 *
 * One for each dependency, shared by all `Retry` and `Hedge` that call it.
 *
 * **Details**
 *
 * Calls and extras of the last ten seconds, or of `during`, are counted, and forgotten a tenth at a time. An extra is allowed while
 * there are fewer of them than `minimum`, or than the share of the calls. The idea is Finagle's `RetryBudget`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { InvalidOption } from "../internal/InvalidOption.ts"
import { monotonic } from "../internal/monotonic.ts"
import { tally } from "../internal/Tally.ts"
import { checked, positive, share, text, toMillis, whole } from "./internal/check.ts"
import { TimeSlots } from "./internal/TimeSlots.ts"

/**
 * How much extra work there may be.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Names the budget in the metrics' label `budget`: 1 to 200 characters. */
  readonly name: string
  /** The share of the calls that may be made again, above 0 and up to 1. Default 0.2. */
  readonly share?: number | undefined
  /** How many extras are allowed however few the calls are. Default 3. */
  readonly minimum?: number | undefined
  /** Over what time they are counted. Default 10 seconds. */
  readonly during?: Duration.Input | undefined
}

/**
 * A budget of extra work.
 *
 * @category models
 * @since 0.1.0
 */
export interface RetryBudget {
  /** Notes a call, its first attempt. */
  readonly call: Effect.Effect<void>
  /** Takes one extra from the budget, and answers whether there was one. It is not given back. */
  readonly tryExtra: Effect.Effect<boolean>
}

/**
 * A budget of this process. Fails with `InvalidOption` if an option is out of its range.
 *
 * **Example** (Three extras, and then no more)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { RetryBudget } from "heddle/resilience"
 *
 * const program = Effect.gen(function*() {
 *   const budget = yield* RetryBudget.make({ name: "search" })
 *   yield* budget.call
 *   return yield* Effect.replicateEffect(budget.tryExtra, 4)
 * })
 *
 * await Effect.runPromise(program) // => [true, true, true, false]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<RetryBudget, InvalidOption> => {
  const { during = "10 seconds", minimum = 3, name, share: part = 0.2 } = options
  const millis = toMillis(during)
  const checks = [text("name", name), share("share", part), whole("minimum", minimum, 0), positive("during", millis)]
  return Effect.andThen(
    checked(checks),
    Effect.contextWith((context: Context.Context<never>) =>
      Effect.sync(() => {
        const now = monotonic(Context.get(context, Clock.Clock))
        const counts = extrasOf(context, name)
        const slots = new TimeSlots(millis, { calls: 0, extras: 0 })
        return {
          call: Effect.sync(() => slots.add("calls", now())),
          tryExtra: Effect.sync(() => {
            const { calls, extras } = slots.sums(now())
            const allowed = extras < Math.max(minimum, Math.floor(part * calls))
            if (allowed) slots.add("extras", now())
            counts[allowed ? "allowed" : "denied"]++
            return allowed
          })
        }
      })
    )
  )
}

const extrasOf = tally("heddle_retry_budget_extras_total", {
  description: "Retries and hedges that asked the budget, and what it answered",
  type: "counter",
  label: "budget",
  by: "answer",
  zero: { allowed: 0, denied: 0 }
})
