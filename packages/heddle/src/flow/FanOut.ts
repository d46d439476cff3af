/**
 * Spreads items over a number of workers, and gathers what came of each.
 *
 * A worker is a fiber that takes the next item as soon as it is done with one. Nothing that was begun is lost: what a task came to,
 * success, failure or defect, is kept as its `Exit`, beside its item's place.
 *
 * **When to use**
 *
 * `gather` when every item shall have its turn, whatever becomes of the others; `forEach` when the first failure makes the rest
 * pointless; `stream` when there are more items or outcomes than should be in memory at once; `start` to look on while it goes.
 * For a handful of effects Effect's `Effect.forEach` and `Effect.all` are enough: they make a fiber for each item.
 *
 * **Gotchas**
 *
 * Workers share their items, not their fate: what one task does to the fiber that it runs on, such as a change of its context
 * that is not undone, is seen by the next item of that worker.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { InvalidOption } from "../internal/InvalidOption.ts"
import { Lanes, outcomes, type Work } from "./internal/fanOutLanes.ts"
import { type Progress, progressOf } from "./internal/fanOutProgress.ts"
import { Window } from "./internal/fanOutWindow.ts"
import { checkCount, checkMillis, checkRoom } from "./internal/options.ts"

export type { Progress }

/**
 * Where items come from. An array is not copied: do not change it meanwhile. A stream is asked for more only when a worker has
 * nothing to do.
 *
 * @category models
 * @since 0.1.0
 */
export type Source<A, E = never, R = never> = ReadonlyArray<A> | Stream.Stream<A, E, R>

/**
 * How items are shared.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How many items are worked on at a time: 1 or more, or `Infinity`. */
  readonly workers: number
  /** The label `name` of the metrics, of which there should be few. Latency is kept only of what has one. Default: no label. */
  readonly name?: string | undefined
}

/**
 * How outcomes come out of `stream`.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions extends Options {
  /** `"input"`: in the order of the items; `"completed"`: as they are done. Default `"input"`. */
  readonly order?: "input" | "completed" | undefined
  /** How many outcomes may wait for the consumer beyond what the workers have in hand, 0 or more. Default 16. */
  readonly buffer?: number | undefined
}

/**
 * What came of one item.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome<A, B, E> {
  /** The item's place among all items, from 0. */
  readonly index: number
  readonly item: A
  readonly exit: Exit.Exit<B, E>
}

/**
 * What came of the items until now, in their order, and whether that is all of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Gathered<A, B, E> {
  readonly outcomes: ReadonlyArray<Outcome<A, B, E>>
  readonly complete: boolean
}

/**
 * A fan-out that goes on beside its caller.
 *
 * @category models
 * @since 0.1.0
 */
export interface Run<A, B, E, SE> {
  /**
   * Waits for every item.
   *
   * **Interruption**
   *
   * Ends the waiting, not the run. Is interrupted itself when the run's scope is closed first.
   */
  readonly await: Effect.Effect<ReadonlyArray<Outcome<A, B, E>>, SE>
  /** What has finished until now: also after the run was interrupted. Does not wait. */
  readonly soFar: Effect.Effect<Gathered<A, B, E>>
  /** Waits for every item, at most so long, and gives what has finished by then. The rest goes on until the scope is closed. */
  readonly within: (duration: Duration.Input) => Effect.Effect<Gathered<A, B, E>, SE | InvalidOption>
  /**
   * How far it is: now, then each time that `every` (default 1 second) has passed, and once more at the end, with which the stream
   * ends. Nothing is counted for it that is not counted anyway.
   */
  readonly progress: (every?: Duration.Input) => Stream.Stream<Progress, InvalidOption>
}

/**
 * Runs a task for each item and gives what came of each, in the order of the items. A failure stops nothing.
 *
 * **Details**
 *
 * Fails only with the failure of a stream that items come from; what runs then is finished first.
 *
 * **Interruption**
 *
 * Interrupts what runs and waits for its finalizers; the caller sees an interruption, not a short success. Use `start` to have what
 * had finished. A defect of a finalizer is added to the interruption.
 *
 * **Example** (Keep every outcome)
 *
 * ```ts
 * import { Effect, Exit } from "effect"
 * import { FanOut } from "heddle/flow"
 *
 * const check = (n: number) => n % 7 === 0 ? Effect.fail(`no ${n}`) : Effect.succeed(n)
 * const exits = await Effect.runPromise(FanOut.gather([6, 7, 8], check, { workers: 2 }))
 * exits.map(Exit.isSuccess) // => [true, false, true]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const gather = <A, B, E, R, SE = never, SR = never>(
  source: Source<A, SE, SR>,
  task: (item: A, index: number) => Effect.Effect<B, E, R>,
  options: Options
): Effect.Effect<Array<Exit.Exit<B, E>>, SE | InvalidOption, R | SR> =>
  Effect.scopedWith((scope) =>
    Effect.suspend(() => {
      const values = roomFor<B>(source)
      const failures = new Map<number, Cause.Cause<E>>()
      const over = Deferred.makeUnsafe<void, SE>()
      const lanes = open(source, task, options, scope, {
        limit: Infinity,
        succeeded: (index, _, value) => {
          values[index] = value
        },
        failed: (index, _, cause) => {
          failures.set(index, cause)
        },
        stops: false,
        over: done(over),
        unclean
      })
      // Exits are made at the end, all at once: while the tasks run they would only be more for the collector to copy.
      const gathered = () => {
        const exits: Array<Exit.Exit<B, E>> = values.map(Exit.succeed)
        for (const [index, cause] of failures) exits[index] = Exit.failCause(cause)
        return exits
      }
      return Effect.andThen(lanes, Effect.map(Deferred.await(over), gathered))
    })
  )

/**
 * Runs a task for each item and gives their results in the order of the items; the first failure interrupts the rest.
 *
 * **When to use**
 *
 * For many items, or for those of a stream: it makes a fiber for each worker. For a handful Effect's `Effect.forEach` with
 * `concurrency` is enough, which makes one for each item.
 *
 * **Interruption**
 *
 * Interrupts what runs and waits for its finalizers, as the first failure does. A defect of a finalizer is added to the cause.
 *
 * **Example** (All or nothing)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FanOut } from "heddle/flow"
 *
 * const double = (n: number) => Effect.succeed(n * 2)
 * const doubled = FanOut.forEach([1, 2, 3], double, { workers: 2 })
 * await Effect.runPromise(doubled) // => [2, 4, 6]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const forEach = <A, B, E, R, SE = never, SR = never>(
  source: Source<A, SE, SR>,
  task: (item: A, index: number) => Effect.Effect<B, E, R>,
  options: Options
): Effect.Effect<Array<B>, E | SE | InvalidOption, R | SR> =>
  Effect.scopedWith((scope) =>
    Effect.suspend(() => {
      const values = roomFor<B>(source)
      const over = Deferred.makeUnsafe<void, E | SE>()
      const lanes = open(source, task, options, scope, {
        limit: Infinity,
        succeeded: (index, _, value) => {
          values[index] = value
        },
        failed: (_, __, cause) => done(over)(Exit.failCause(cause)),
        stops: true,
        over: done(over),
        unclean
      })
      return Effect.andThen(lanes, Effect.as(Deferred.await(over), values))
    })
  )

/**
 * Runs a task for each item and gives the outcomes as a stream, which holds the workers back where its consumer is slow.
 *
 * **Details**
 *
 * While a consumer has taken k outcomes, at most k + `workers` + `buffer` tasks have been begun. A failure of a task is an outcome; to
 * stop at the first, read `Stream.mapEffect(({ exit }) => exit)`. When a source stream fails, what runs is finished and
 * delivered, and then the stream fails.
 *
 * **Interruption**
 *
 * A consumer that stops, or takes no more, interrupts what runs and waits for its finalizers.
 *
 * **Example** (As they are done)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { FanOut } from "heddle/flow"
 *
 * const wait = (ms: number) => Effect.as(Effect.sleep(ms), ms)
 * const outcomes = FanOut.stream([30, 1], wait, { workers: 2, order: "completed" })
 * const done = outcomes.pipe(Stream.map(({ item }) => item), Stream.runCollect)
 * await Effect.runPromise(done) // => [1, 30]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const stream = <A, B, E, R, SE = never, SR = never>(
  source: Source<A, SE, SR>,
  task: (item: A, index: number) => Effect.Effect<B, E, R>,
  options: StreamOptions
): Stream.Stream<Outcome<A, B, E>, SE | InvalidOption, R | SR> =>
  Stream.fromChannel(Channel.fromTransform((_, scope) =>
    Effect.suspend(() => {
      const buffer = options.buffer ?? 16
      const wrong = checkRoom("buffer", buffer)
      if (wrong !== undefined) return Effect.fail(wrong)
      const window = new Window<A, B, E, SE>({ ...options, buffer, inOrder: options.order !== "completed" })
      const lanes = open(source, task, options, scope, { limit: window.first, ...window.told, unclean })
      return Effect.map(lanes, (running) => window.pull(running))
    })
  ))

/**
 * Starts a fan-out that belongs to a scope, to look on while it goes, or to take what is there at a deadline.
 *
 * **Interruption**
 *
 * Closing the scope interrupts what runs and waits for its finalizers. What had finished is still there, and so is a defect of a
 * finalizer, as the outcome of its item.
 *
 * **Example** (What is there after so long)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FanOut } from "heddle/flow"
 *
 * const wait = (ms: number) => Effect.as(Effect.sleep(ms), ms)
 * const program = Effect.scoped(Effect.gen(function*() {
 *   const run = yield* FanOut.start([1, 60_000, 2], wait, { workers: 3 })
 *   return yield* run.within("100 millis")
 * }))
 * const { complete, outcomes } = await Effect.runPromise(program)
 * complete // => false
 * outcomes.map(({ item }) => item) // => [1, 2]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const start = <A, B, E, R, SE = never, SR = never>(
  source: Source<A, SE, SR>,
  task: (item: A, index: number) => Effect.Effect<B, E, R>,
  options: Options
): Effect.Effect<Run<A, B, E, SE>, InvalidOption, R | SR | Scope.Scope> =>
  Effect.flatMap(Scope.Scope, (scope) =>
    Effect.suspend(() => {
      const places = roomFor<Outcome<A, B, E>>(source)
      const over = Deferred.makeUnsafe<void, SE>()
      const lanes = open(source, task, options, scope, {
        limit: Infinity,
        ...outcomes((outcome: Outcome<A, B, E>) => {
          places[outcome.index] = outcome
        }),
        over: done(over),
        unclean: () => Effect.void
      })
      return Effect.flatMap(lanes, (running) => {
        // Places of items that are not done are holes, which `filter` leaves out.
        const finished = Effect.sync(() => places.filter(() => true))
        const soFar = Effect.map(
          finished,
          (outcomes) => ({ outcomes, complete: running.end !== undefined && Exit.isSuccess(running.end) })
        )
        const all = Deferred.await(over)
        const within: Run<A, B, E, SE>["within"] = (duration) => {
          const millis = checkMillis("within", duration)
          if (millis instanceof InvalidOption) return Effect.fail(millis)
          return Effect.andThen(Effect.timeoutOption(all, millis), soFar)
        }
        const total = Stream.isStream(source) ? undefined : source.length
        return Effect.map(Clock.currentTimeMillis, (since): Run<A, B, E, SE> => ({
          await: Effect.andThen(all, finished),
          soFar,
          within,
          progress: progressOf({ lanes: running, total, since, end: Effect.exit(all) })
        }))
      })
    }))

/** One place for each item, where it is known how many there are. */
const roomFor = <T>(source: Source<unknown, unknown, unknown>): Array<T> => {
  const places: Array<T> = []
  if (!Stream.isStream(source)) places.length = source.length
  return places
}

/** Who is interrupted or fails shows the defects of what it interrupts. */
const unclean = (defects: Cause.Cause<never>): Effect.Effect<void> => Effect.failCause(defects)

const done = <E>(deferred: Deferred.Deferred<void, E>) => (exit: Exit.Exit<void, E>): void => {
  Deferred.doneUnsafe(deferred, exit)
}

/** Lanes that belong to a scope, and have begun. */
const open = <A, B, E, R, SE, SR>(
  source: Source<A, SE, SR>,
  task: (item: A, index: number) => Effect.Effect<B, E, R>,
  { name, workers }: Options,
  scope: Scope.Scope,
  told: Pick<Work<A, B, E, R | SR, SE>, "limit" | "succeeded" | "failed" | "stops" | "over" | "unclean">
): Effect.Effect<Lanes<A, B, E, R | SR, SE>, InvalidOption, R | SR> =>
  Effect.contextWith((context) => {
    const wrong = checkCount("workers", workers)
    if (wrong !== undefined) return Effect.fail(wrong)
    const begin = (given: Pick<Work<A, B, E, R | SR, SE>, "items" | "more">) =>
      Effect.uninterruptible(Effect.suspend(() => {
        const lanes = new Lanes({ ...told, ...given, name, task, workers }, context)
        return Effect.as(
          Effect.tap(Scope.addFinalizer(scope, lanes.close), () => Effect.sync(() => lanes.start())),
          lanes
        )
      }))
    return Stream.isStream(source)
      ? Effect.flatMap(Channel.toPullScoped(source.channel, scope), (more) => begin({ items: [], more }))
      : begin({ items: source, more: undefined })
  })
