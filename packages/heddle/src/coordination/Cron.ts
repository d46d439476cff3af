/**
 * Runs an effect on a schedule, on exactly one process of many, and moves when that process dies.
 *
 * **When to use**
 *
 * For what is to be done at certain times however many processes there are: a report each night, a clean-up each minute. For
 * work that goes on for ever, `Singleton`; in one process Effect's `Schedule.cron` is enough.
 *
 * **Gotchas**
 *
 * A tick is run at most once: it is noted before it is run, so a tick whose process dies in the middle is not run again. Times
 * are those of the process that leads; processes whose clocks disagree by a second tick by as much too early or too late, but
 * never twice.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as EffectCron from "effect/Cron"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { keepTime } from "./internal/cronClock.ts"
import { checkCron } from "./internal/cronRequest.ts"
import type { Undecodable } from "./KvEntry.ts"
import { InvalidKey } from "./KvEntry.ts"
import type { KvStore } from "./KvStore.ts"
import type * as LeaderElection from "./LeaderElection.ts"
import type { StoreUnavailable } from "./Lease.ts"

/**
 * What to run when.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** What the processes call it: any well-formed string of 1 to 200 characters. */
  readonly name: string
  /** Effect's `Cron`, or its syntax: five fields from minutes on, or six with seconds, read in `zone`. */
  readonly schedule: EffectCron.Cron | string
  /** The time zone of a schedule that is a string. Default `"UTC"`. */
  readonly zone?: string | undefined
  /**
   * What becomes of the ticks that came while nobody led, or while a run took too long: `skip` leaves them out, `once` makes
   * one run for all of them, at once. Default `skip`.
   */
  readonly missed?: "skip" | "once" | undefined
  /** After which time another process takes over from one that died, 10 ms to 1 day. Default 10 seconds. */
  readonly ttl?: Duration.Input | undefined
  /** Who campaigns, as `LeaderElection.leader` shows it under `cron/<name>`. Default: the layer's `owner`. */
  readonly owner?: string | undefined
}

/**
 * A tick, as the effect sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tick {
  /** The time that the schedule names. */
  readonly at: DateTime.Utc
  /** Whether it makes up for ticks that were missed; `at` is then the last of them. */
  readonly missed: boolean
  /** The fencing token of the process that leads: send it with each write. */
  readonly term: bigint
}

/**
 * Why a schedule can end. A tick that fails does not end it.
 *
 * `StoreUnavailable`: the store could not be reached at the start; later it is tried again until it can.
 *
 * @category errors
 * @since 0.1.0
 */
export type CronError = InvalidKey | StoreUnavailable | Undecodable

/**
 * What it stands on.
 *
 * @category models
 * @since 0.1.0
 */
export type Needs = KvStore | LeaderElection.Needs

/**
 * Waits until it leads, and then runs the effect at each tick for as long as it does. Every process calls it.
 *
 * **Details**
 *
 * Runs do not overlap: a tick that comes while the one before still runs is missed. The last tick is kept in `KvStore`, and
 * replaced on condition of the term before each run; the first process ever begins with the next tick. A tick that fails is
 * logged and counted, and the schedule goes on: retry inside of the effect. The loss of the lead interrupts the run.
 *
 * **Interruption**
 *
 * Leaves the line; or interrupts the run, waits for its finalizers, and lets another process lead. The tick is not run again.
 *
 * **Example** (Every process starts it, one runs each tick)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Cron, KvStore, LeaseStore } from "heddle/coordination"
 *
 * let runs = 0
 * const job = Cron.run({ name: "clean-up", schedule: "* * * * * *" })((tick) =>
 *   Effect.sync(() => tick.missed ? 0 : ++runs)
 * )
 * const fleet = Effect.all([job, job, job], { concurrency: "unbounded" })
 *
 * await Effect.runPromise(
 *   fleet.pipe(
 *     Effect.timeoutOption("1500 millis"),
 *     Effect.provide([LeaseStore.layerMemory, KvStore.layerMemory])
 *   )
 * )
 * runs === 1 || runs === 2 // => true
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = (options: Options) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R> | ((tick: Tick) => Effect.Effect<A, E, R>)
): Effect.Effect<never, CronError, R | Needs> =>
  Effect.suspend(() => {
    const request = checkCron(options)
    return request instanceof InvalidKey ? Effect.fail(request) : keepTime(request, effect)
  })

/**
 * `run` for as long as a layer lives. Where it ends with an error, that is logged.
 *
 * **Details**
 *
 * The layer is built at once, and waits for its turn in a fiber of its own. A store that cannot be reached is asked again
 * until it can be, with a warning in the log.
 *
 * **Interruption**
 *
 * Closing the layer interrupts the run and waits for its finalizers.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R> | ((tick: Tick) => Effect.Effect<A, E, R>)
): Layer.Layer<never, InvalidKey, R | Needs> =>
  Layer.effectDiscard(Effect.suspend(() => {
    const request = checkCron(options)
    if (request instanceof InvalidKey) return Effect.fail(request)
    return keepTime(request, effect, true).pipe(
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.void
          : Effect.logError(`Cron ${JSON.stringify(options.name)} has ended`, cause)
      ),
      Effect.forkScoped
    )
  }))
