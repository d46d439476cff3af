/**
 * What a `LoadLevel` reads, and what it makes of it.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { monotonic } from "../internal/monotonic.ts"
import { toMillis } from "./internal/check.ts"
import { TimeSlots } from "./internal/TimeSlots.ts"

/**
 * One reading: how long ago the last one was, and how much later than planned this one is, in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tick {
  readonly elapsed: number
  readonly late: number
}

/**
 * Something that is measured, and from what value on the service is reduced, minimal, in emergency. NaN says nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sensor {
  readonly name: string
  readonly read: (tick: Tick) => Effect.Effect<number>
  readonly at: Thresholds
}

/**
 * From which reading on a sensor asks for which level; a rising order.
 *
 * @category models
 * @since 0.1.0
 */
export type Thresholds = readonly [reduced: number, minimal: number, emergency: number]

// What is read of the process: Node, Deno and Bun have it.
declare const process: {
  readonly cpuUsage: () => { readonly user: number; readonly system: number }
  readonly memoryUsage: { readonly rss: () => number }
  readonly availableMemory: () => number
}

/**
 * Per cent of one processor that this process uses. Default thresholds 70, 85, 95.
 *
 * @category sensors
 * @since 0.1.0
 */
export const cpu = (at: Thresholds = [70, 85, 95]): Sensor => {
  let last: number | undefined
  return {
    name: "cpu",
    at,
    read: ({ elapsed }) =>
      Effect.sync(() => {
        const { system, user } = process.cpuUsage()
        const used = (user + system) / 1000
        const spent = used - (last ?? used)
        last = used
        return Math.min(100, spent / elapsed * 100)
      })
  }
}

/**
 * Per cent of the memory that this process could have, by the machine's or the container's limit. Default thresholds 80, 90, 95.
 *
 * @category sensors
 * @since 0.1.0
 */
export const memory = (at: Thresholds = [80, 90, 95]): Sensor => ({
  name: "memory",
  at,
  read: () =>
    Effect.sync(() => {
      const used = process.memoryUsage.rss()
      return used / (used + process.availableMemory()) * 100
    })
})

/**
 * By how many milliseconds the event loop was late for the reading itself. Default thresholds 100, 300, 1000.
 *
 * @category sensors
 * @since 0.1.0
 */
export const eventLoop = (at: Thresholds = [100, 300, 1000]): Sensor => ({
  name: "event loop",
  at,
  read: ({ late }) => Effect.succeed(late)
})

/**
 * Requests that are counted, and two sensors that read them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Requests {
  /** Counts a request once, and whether it failed. What `LoadLevel` or another policy refused, and what its caller gave up, counts as neither. */
  readonly track: <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Per cent of the requests that failed. Default thresholds 5, 10, 20. */
  readonly errors: (at?: Thresholds) => Sensor
  /** Requests a second. */
  readonly rate: (at: Thresholds) => Sensor
}

/**
 * Counts requests over a time. `refused` tells refusals from failures; default: the errors of this area that say that work did
 * not run.
 *
 * @category constructors
 * @since 0.1.0
 */
export const requests = (
  options: { readonly during?: Duration.Input; readonly refused?: (error: unknown) => boolean } = {}
): Effect.Effect<Requests> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.sync(() => {
      const millis = toMillis(options.during ?? "10 seconds")
      const refused = options.refused ?? isRefusal
      const now = monotonic(Context.get(context, Clock.Clock))
      const slots = new TimeSlots(millis, { all: 0, failed: 0 })
      return {
        track: (request) =>
          Effect.onExitPrimitive(request, (exit) => {
            const cause = exit._tag === "Failure" ? exit.cause : undefined
            if (cause !== undefined && (Cause.hasInterruptsOnly(cause) || refused(Cause.squash(cause)))) {
              return undefined
            }
            slots.add("all", now())
            if (cause !== undefined) slots.add("failed", now())
            return undefined
          }),
        errors: (at = [5, 10, 20]) => ({
          name: "errors",
          at,
          read: () =>
            Effect.sync(() => {
              const { all, failed } = slots.sums(now())
              return all === 0 ? 0 : failed / all * 100
            })
        }),
        rate: (at) => ({ name: "rate", at, read: () => Effect.sync(() => slots.sums(now()).all / millis * 1000) })
      }
    })
  )

const refusals = new Set([
  "Degraded",
  "BulkheadFull",
  "BulkheadTimeout",
  "LimitReached",
  "CircuitOpen",
  "CircuitStoreDown",
  "RateLimited"
])

const isRefusal = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string" &&
  refusals.has(error._tag)
