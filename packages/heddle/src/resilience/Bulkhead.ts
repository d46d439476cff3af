/**
 * Lets so many calls run and so many wait, and refuses the rest at once.
 *
 * A dependency that becomes slow must not fill the process with calls that wait for it. A bulkhead has a number of places; who
 * finds none stands in a line that is short, and who finds the line full is refused while there is still time to do something
 * else.
 *
 * **When to use**
 *
 * In front of a dependency, or of work that takes memory, with as many places as it bears. To wait for as long as it takes,
 * Effect's `Semaphore` is enough. To take results from a queue of tasks, use a `WorkerPool`.
 *
 * **Gotchas**
 *
 * A place is held until the work has ended, its finalizers included: a caller that gives up does not free it before.
 * A call that needs a place while it holds one can wait for itself.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { InvalidOption } from "../internal/InvalidOption.ts"
import { BulkheadFull, BulkheadTimeout } from "./internal/BulkheadError.ts"
import { checked, lasting, text, toMillis, whole } from "./internal/check.ts"
import { Places } from "./internal/Places.ts"

export { BulkheadFull, BulkheadTimeout }

/**
 * How many may run and wait.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Names the bulkhead in errors and as the metrics' label `bulkhead`: 1 to 200 characters. */
  readonly name: string
  /** How many run at once, 1 or more. */
  readonly running: number
  /** How many wait, at most; 0 refuses whoever finds no place. Default 0. */
  readonly waiting?: number | undefined
  /** How long one waits, at most. Default: as long as it takes. */
  readonly waitFor?: Duration.Input | undefined
}

/**
 * How it stands at this moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Occupancy {
  readonly running: number
  readonly waiting: number
  readonly places: number
}

/**
 * Places that calls share.
 *
 * @category models
 * @since 0.1.0
 */
export interface Bulkhead {
  readonly name: string
  /** How long a call waits for its place, at most, in milliseconds: 0 where nobody waits, `Infinity` for as long as it takes. */
  readonly longest: number
  /**
   * Runs a call in a place of its own, first come first served.
   *
   * **Interruption**
   *
   * Who waits leaves the line at once, and its call is never started. A call that runs is interrupted, and its place comes free
   * when it has ended.
   */
  readonly run: <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BulkheadFull | BulkheadTimeout, R>
  /**
   * Changes how many may run. More are taken up at once by those who wait; of fewer, those that run go on, and nobody is let in
   * until they are few enough.
   */
  readonly resize: (running: number) => Effect.Effect<void, InvalidOption>
  readonly occupancy: Effect.Effect<Occupancy>
}

/**
 * A bulkhead of this process. Fails with `InvalidOption` if an option is out of its range.
 *
 * **Example** (One runs, one waits, one is refused)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Bulkhead } from "heddle/resilience"
 *
 * const program = Effect.gen(function*() {
 *   const db = yield* Bulkhead.make({ name: "db", running: 1, waiting: 1 })
 *   const query = db.run(Effect.as(Effect.sleep("1 milli"), "rows")).pipe(
 *     Effect.catchTag("BulkheadFull", () => Effect.succeed("try later"))
 *   )
 *   return yield* Effect.all([query, query, query], {
 *     concurrency: "unbounded"
 *   })
 * })
 *
 * await Effect.runPromise(program) // => ["rows", "rows", "try later"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = ({ name, running, waiting = 0, waitFor }: Options): Effect.Effect<Bulkhead, InvalidOption> => {
  const patience = waitFor === undefined ? Infinity : toMillis(waitFor)
  const checks = [text("name", name), whole("running", running, 1), whole("waiting", waiting, 0)]
  return Effect.andThen(
    checked([...checks, lasting("waitFor", patience)]),
    Effect.contextWith((context: Context.Context<never>) => {
      const places = new Places({ name, running, waiting, patience }, context)
      return Effect.succeed<Bulkhead>({
        name,
        longest: waiting === 0 ? 0 : patience,
        run: (call) => places.run(call),
        resize: (running) =>
          Effect.andThen(checked([whole("running", running, 1)]), Effect.sync(() => places.resize(running))),
        occupancy: Effect.sync(() => ({ running: places.running, waiting: places.waiting, places: places.most }))
      })
    })
  )
}
