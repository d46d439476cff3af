/**
 * Runs tasks on so many workers, with a bounded queue before them, and answers each submitter with its own task's result.
 *
 * **When to use**
 *
 * Where many parts of a program bring work to one thing that bears only so much of it, and the work that waits must be
 * bounded, ordered by priority, measured, drained and shut down as one. For a list that is at hand `Effect.forEach` with
 * `concurrency` is enough; to let only so many in, Effect's `Semaphore` is. Work that computes without a pause belongs on
 * threads: fibers share one.
 *
 * **Details**
 *
 * A worker is a place, not a fiber that waits: an idle pool costs nothing. A task runs in a fiber of its own with the services,
 * span and references of whoever submitted it. Its failure or defect is its submitter's and no one else's. A worker is free
 * when its task has ended, finalizers included, not when the submitter has stopped waiting for it.
 *
 * **Gotchas**
 *
 * Priorities are strict: while tasks of a higher one come without end, others wait. A task that submits to its own pool and
 * waits for the answer can wait for itself, when all workers do the same; one that waits for `drain` or `shutdown` of its own
 * pool does.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { CurrentObserver, observedApart } from "../internal/Contended.ts"
import { InvalidOption } from "../internal/InvalidOption.ts"
import { checkMillis } from "./internal/options.ts"
import type { Refusal } from "./internal/poolErrors.ts"
import { poolMetrics } from "./internal/poolMetrics.ts"
import { checkOptions, checkSize } from "./internal/poolOptions.ts"
import { TaskPool } from "./internal/TaskPool.ts"
import type { PoolClosed, PoolFull, TaskTimeout } from "./PoolError.ts"

/**
 * How soon a task is run: 9 before 8, and so on to 0; those of one priority in order of arrival.
 *
 * @category models
 * @since 0.1.0
 */
export type Priority = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9

/**
 * How many workers a pool has as its load changes. It starts with `min` and looks once an interval.
 *
 * **Details**
 *
 * It grows while something waits and its workers are busy; it shrinks while nothing waits and they are less than half as busy as
 * they should be. How busy they are is the average over the interval, not what happens to be at its end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Adaptive {
  /** The fewest workers: 1 or more. */
  readonly min: number
  /** The most workers: not fewer than `min`; `Infinity` is no limit. */
  readonly max: number
  /** How busy they should be, above 0 and at most 1. Default 0.7. */
  readonly targetUtilisation?: number | undefined
  /** How often it looks, 1 ms or more. Default 500 milliseconds. */
  readonly interval?: Duration.Input | undefined
  /** By which part of them it grows, by one worker at least. Default 0.25. */
  readonly grow?: number | undefined
  /** By which part of them it shrinks, by one worker at least: above 0 and at most 1. Default 0.15. */
  readonly shrink?: number | undefined
  /** How long after a task last had to wait it does not shrink, so that it does not swing. Default 2 seconds. */
  readonly cooldown?: Duration.Input | undefined
}

/**
 * How many workers: always so many, or as many as the load asks for.
 *
 * @category models
 * @since 0.1.0
 */
export type Sizing = number | Adaptive

/**
 * What becomes of a task for which the queue has no room: it waits for room, for ever or so long; it is rejected at once; or the
 * oldest task of the lowest priority in the queue is dropped for it, if that is not higher than its own.
 *
 * @category models
 * @since 0.1.0
 */
export type WhenFull = "wait" | "reject" | "drop" | { readonly waitFor: Duration.Input }

/**
 * What a pool is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How many tasks run at a time: a whole number of 1 or more, `Infinity`, or between two bounds as the load asks. */
  readonly size: Sizing
  /** How many tasks stand in the queue at most: 0 or more. Default 1,000. */
  readonly queue?: number | undefined
  /** What becomes of a task when the queue is full. Default `"wait"`. */
  readonly whenFull?: WhenFull | undefined
  /** How long the end of the scope lets tasks finish. Default 30 seconds; `Infinity` waits until all have ended. */
  readonly drainFor?: Duration.Input | undefined
  /** Its name in errors, logs and metrics, where there should be few of them. Default: `WorkerPool`, and no label. */
  readonly name?: string | undefined
}

/**
 * How one task is run.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskOptions {
  /** How soon. Default 5. */
  readonly priority?: Priority | undefined
  /** How long it may take from now, waiting and running together. Of 0 or less it is not run. Default: for ever. */
  readonly deadline?: Duration.Input | undefined
}

/**
 * How tasks that were accepted have ended, each counted once, when it has ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcomes {
  readonly completed: number
  /** By a failure or a defect of theirs. */
  readonly failed: number
  /** By their submitter's interruption or their own. */
  readonly interrupted: number
  /** By their deadline, waiting or running. */
  readonly timedOut: number
  /** For a newer task. */
  readonly dropped: number
  /** By a shutdown, while they ran. */
  readonly cut: number
  /** By a shutdown, before they ran. */
  readonly notRun: number
}

/**
 * What a pool is at a moment. `accepted` is always the sum of all outcomes, `queued` and `active`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats extends Outcomes {
  /** How many tasks may run at a time. */
  readonly size: number
  /** How many do, and more than `size` until enough have ended after it shrank by hand. */
  readonly active: number
  /** How many stand in the queue. */
  readonly queued: number
  /** How many submitters wait for room in the queue; their tasks are not accepted yet. */
  readonly waiting: number
  /** The most that ever stood in the queue. */
  readonly highWater: number
  /** How many tasks it has taken. */
  readonly accepted: number
  /** How many tasks it has not taken: it was full or closed, or their deadline passed before there was room. */
  readonly refused: number
  readonly paused: boolean
  readonly closed: boolean
}

/**
 * What a shutdown came to: how all tasks of the pool's life have ended, and how many had not yet.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report extends Outcomes {
  /** How many were interrupted and had not ended 5 seconds later. */
  readonly running: number
}

/**
 * What happens to a pool. `utilisation` is what it was resized for, `undefined` where that was done by hand.
 *
 * @category models
 * @since 0.1.0
 */
export type Change =
  | {
    readonly _tag: "Resized"
    readonly from: number
    readonly to: number
    readonly pending: number
    readonly utilisation: number | undefined
  }
  | { readonly _tag: "Paused" }
  | { readonly _tag: "Resumed" }
  | { readonly _tag: "Closing" }
  | { readonly _tag: "Closed"; readonly report: Report }

/**
 * Workers that take tasks. `Full` is `PoolFull` where a task may find no room.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkerPool<out Full = PoolFull> {
  /**
   * Runs a task when it is its turn, and answers with what it comes to. Fails with `PoolFull` if there was no room, with
   * `PoolClosed` if the pool was shut down first, and with `TaskTimeout` when its deadline passes.
   *
   * **Details**
   *
   * An answer by deadline or shutdown does not wait for the task's finalizers; its worker does. What fails after the answer is
   * logged.
   *
   * **Interruption**
   *
   * A task that waits leaves its line at once. One that runs is interrupted, and the interruption is over when its finalizers
   * are.
   */
  readonly submit: {
    <A, E, R>(
      task: Effect.Effect<A, E, R>,
      options?: { readonly priority?: Priority | undefined; readonly deadline?: undefined }
    ): Effect.Effect<A, E | Full | PoolClosed, R>
    <A, E, R>(
      task: Effect.Effect<A, E, R>,
      options: TaskOptions
    ): Effect.Effect<A, E | Full | PoolClosed | TaskTimeout, R>
  }
  /**
   * Sets how many workers there are. More take from the queue at once; of fewer, tasks that run are not interrupted. An adaptive
   * pool can be resized within its bounds, and goes on from there.
   */
  readonly resize: (size: number) => Effect.Effect<void, InvalidOption>
  /** Starts no more tasks. Those that run go on, and those that come are queued. */
  readonly pause: Effect.Effect<void>
  /** Ends a pause. */
  readonly resume: Effect.Effect<void>
  /**
   * Waits for a moment in which nothing runs and nothing waits. The pool takes tasks meanwhile. A pool that is paused with tasks
   * in its queue comes to no such moment.
   *
   * **Interruption**
   *
   * Stops waiting.
   */
  readonly drain: Effect.Effect<void>
  /** What it is now. */
  readonly stats: Effect.Effect<Stats>
  /**
   * What happens to it from now on, until it is closed. Who reads too slowly misses the oldest of more than 64.
   */
  readonly changes: Stream.Stream<Change>
  /**
   * Takes nothing more, refuses those who wait for room, ends a pause, and waits until all that was accepted has ended. When
   * `within` is over it refuses what is queued, interrupts what runs, gives it 5 seconds to end, and reports. Default:
   * `drainFor`. Any number of shutdowns is one, and the shortest `within` counts. The end of the scope does the same.
   *
   * **Interruption**
   *
   * Stops waiting. The pool stays closed, and what it had accepted goes on until the scope ends.
   */
  readonly shutdown: (within?: Duration.Input) => Effect.Effect<Report, InvalidOption>
}

/**
 * A pool that takes tasks until its scope ends, and then lets what it accepted run for `drainFor`.
 *
 * **Example** (Two at a time)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { WorkerPool } from "heddle/flow"
 *
 * let running = 0
 * let most = 0
 * const square = (n: number) =>
 *   Effect.gen(function*() {
 *     most = Math.max(most, ++running)
 *     yield* Effect.yieldNow
 *     running--
 *     return n * n
 *   })
 * const program = Effect.gen(function*() {
 *   const pool = yield* WorkerPool.make({ size: 2 })
 *   return yield* Effect.forEach([1, 2, 3], (n) => pool.submit(square(n)), {
 *     concurrency: "unbounded"
 *   })
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => [1, 4, 9]
 * most // => 2
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export function make(
  options: Options & { readonly whenFull?: "wait" | undefined }
): Effect.Effect<WorkerPool<never>, InvalidOption, Scope.Scope>
export function make(options: Options): Effect.Effect<WorkerPool, InvalidOption, Scope.Scope>
export function make(options: Options): Effect.Effect<WorkerPool, InvalidOption, Scope.Scope> {
  return Effect.gen(function*() {
    const checked = checkOptions(options)
    if (checked instanceof InvalidOption) return yield* checked
    const { drainFor, rule } = checked
    const changes = yield* PubSub.sliding<Change>(64)
    const context = yield* Effect.context<never>()
    const metrics = metricsOf(context, options.name)
    const name = options.name ?? "WorkerPool"
    const pool = new TaskPool({ ...checked, name, context, metrics, changes })
    const observer = Context.get(context, CurrentObserver)
    const contended = { kind: "worker pool", name, title: name, owner: pool, key: name }
    yield* Effect.addFinalizer(() => pool.shutdown(drainFor))
    if (rule !== undefined) {
      const look = Effect.sync(() => pool.adapt(rule))
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(rule.interval), look)))
    }
    function submit<A, E, R>(
      task: Effect.Effect<A, E, R>,
      options?: { readonly priority?: Priority | undefined; readonly deadline?: undefined }
    ): Effect.Effect<A, E | PoolFull | PoolClosed, R>
    function submit<A, E, R>(task: Effect.Effect<A, E, R>, options: TaskOptions): Effect.Effect<A, E | Refusal, R>
    function submit<A, E, R>(
      task: Effect.Effect<A, E, R>,
      { deadline = Infinity, priority = 5 }: TaskOptions = {}
    ): Effect.Effect<A, E | Refusal, R> {
      const millis = checkMillis("deadline", deadline)
      const how = { priority, deadline: millis instanceof InvalidOption ? 0 : millis }
      return observer === undefined
        ? pool.submit(task, how)
        : observedApart(observer, contended, task, (task) => pool.submit(task, how))
    }
    return {
      submit,
      resize: (size) =>
        Effect.suspend(() => {
          const wrong = checkSize(size, rule)
          return wrong === undefined ? Effect.sync(() => pool.resize(size)) : Effect.fail(wrong)
        }),
      pause: Effect.sync(() => pool.pause()),
      resume: Effect.sync(() => pool.resume()),
      drain: pool.drain,
      stats: Effect.sync(() => pool.stats),
      changes: Stream.takeUntil(Stream.fromPubSub(changes), (change) => change._tag === "Closed"),
      shutdown: (within) => {
        const millis = within === undefined ? drainFor : checkMillis("within", within)
        return millis instanceof InvalidOption ? Effect.fail(millis) : pool.shutdown(millis)
      }
    }
  })
}

const metricsOf = poolMetrics("worker_pool")
