/**
 * Gathers items into batches, and gives each item's own outcome to who brought it.
 *
 * A batch goes when it is full, by count or by weight, or when its first item has waited long enough. So many batches run at a time,
 * and so many start in a time; meanwhile items go on coming in, up to a bound. An item may fail alone, and the others of its batch
 * do not notice.
 *
 * **When to use**
 *
 * For a server that takes a hundred rows as gladly as one: inserts, lookups by id, events for a collector. Where a request has a type
 * of its own and should be cached, Effect's `RequestResolver` is enough; where only the stream matters and what is gathered may be lost
 * when it is interrupted, `Stream.groupedWithin` is.
 *
 * **Details**
 *
 * Equal items are two items, each with an outcome. `run` with `Effect.retry` retries a batch as a whole and keeps its place meanwhile.
 *
 * **Gotchas**
 *
 * A `run` that submits to its own batcher waits for itself where `concurrency` is 1.
 *
 * @since 0.1.0
 */
import type * as Array from "effect/Array"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { InvalidOption } from "../internal/InvalidOption.ts"
import { Batching } from "./internal/batching.ts"
import { drainAtEnd } from "./internal/draining.ts"
import { checkCount, checkMillis } from "./internal/options.ts"

/**
 * What a batcher does with a batch, and when one goes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<I, A, E, R> {
  /**
   * Does what is to be done for a batch, and answers with one outcome for each item, in their order. If it fails, all items of the
   * batch fail so; if it answers with another number of outcomes, they die. It runs in a fiber of the batcher, with the services that
   * `make` was given.
   */
  readonly run: (items: Array.NonEmptyReadonlyArray<I>) => Effect.Effect<ReadonlyArray<Exit.Exit<A, E>>, E, R>
  /** How many items go together at most. */
  readonly maxSize: number
  /**
   * How long an item waits for others at most, from when it was taken. Default 0: for what comes in the same turn. `Infinity` waits
   * until the batch is full, or for `flush`.
   */
  readonly maxWait?: Duration.Input | undefined
  /** How many batches run at a time. Default 1. */
  readonly concurrency?: number | undefined
  /** How long after the start of a batch the next one may start, also while the scope ends. Default 0. */
  readonly interval?: Duration.Input | undefined
  /** How many items are taken at most that are in no batch yet: who brings more waits for room. Default 10,000. */
  readonly capacity?: number | undefined
  /** How long the end of the scope waits for what was taken. Default 30 seconds; `Infinity` waits until all has run. */
  readonly drainFor?: Duration.Input | undefined
  /** A name for its metrics (label `name`); there should be few of them. Latency is kept with a name only. Default: no label. */
  readonly name?: string | undefined
}

/**
 * How much a batch may weigh.
 *
 * @category models
 * @since 0.1.0
 */
export interface Weighted<I> {
  /** What an item weighs: 0 or more, in any unit. It is asked once. */
  readonly weight: (item: I) => number
  /** What the items of a batch weigh together at most. An item that weighs more is refused. */
  readonly maxWeight: number
}

/**
 * What did not run to its end, in order of arrival.
 *
 * @category models
 * @since 0.1.0
 */
export interface Left<I> {
  /** Taken, and in no batch that was started. */
  readonly notRun: ReadonlyArray<I>
  /** In batches that were started and interrupted: they may have had effects. */
  readonly interrupted: ReadonlyArray<I>
}

/**
 * What a batcher holds at a moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Items that were not yet taken because there is no room. */
  readonly waiting: number
  /** Items that were taken and are in no batch yet. */
  readonly queued: number
  /** Batches that run. */
  readonly batches: number
}

/**
 * Takes items and runs them in batches.
 *
 * @category models
 * @since 0.1.0
 */
export interface Batcher<I, A, E> {
  /**
   * Waits until the item's batch has run, and answers with the item's own outcome. Fails with `BatcherClosed` if the item was not
   * taken or its batch did not run to its end.
   *
   * **Interruption**
   *
   * An item that is in no batch yet leaves the line. A batch that runs goes on for the others; when the last one has left, it is
   * interrupted, and its finalizers end before that one's interruption is over.
   */
  readonly submit: (item: I) => Effect.Effect<A, E | BatcherClosed>
  /**
   * Waits for room only, and answers with an effect that waits for the outcome, for as many as ask.
   *
   * **Interruption**
   *
   * An interrupted call leaves no item behind. To interrupt who waits for an outcome does not touch the item.
   */
  readonly enqueue: (item: I) => Effect.Effect<Effect.Effect<A, E | BatcherClosed>, BatcherClosed>
  /**
   * A stream of the outcomes of a stream's elements, in order. It takes as many elements ahead as there is room for, and sends
   * what it has when the stream ends or fails. It fails with the first element that fails.
   *
   * **Interruption**
   *
   * Elements that have come are taken and will run, also when nobody waits for their outcomes any more.
   */
  readonly through: <E2, R>(stream: Stream.Stream<I, E2, R>) => Stream.Stream<A, E | E2 | BatcherClosed, R>
  /** What was taken until now goes as soon as it may, without waiting for more. It does not wait for it. */
  readonly flush: Effect.Effect<void>
  /** What it holds now. */
  readonly stats: Effect.Effect<Stats>
  /**
   * Takes nothing more, refuses those who wait for room, and waits until all that was taken has run; `concurrency` and `interval` hold.
   * When `within` is over it interrupts what runs, gives it 5 seconds to end, and says what was left. Default: `drainFor`. The end of
   * the scope does the same, and logs what was left as a warning.
   *
   * **Interruption**
   *
   * An interrupted call stops waiting. The batcher stays closed, and what was taken goes on.
   */
  readonly shutdown: (within?: Duration.Input) => Effect.Effect<Left<I>, InvalidOption>
}

/**
 * The batcher takes nothing more, and this item did not run to its end. Bring it elsewhere; if its batch had started it may have had
 * effects.
 *
 * @category errors
 * @since 0.1.0
 */
export class BatcherClosed extends Schema.TaggedError<BatcherClosed>()("BatcherClosed", {
  /** Whether the item's batch had started. */
  started: Schema.Boolean
}) {
  override get message(): string {
    return this.started
      ? "The batcher was closed while this item's batch ran: see what it did before you bring it elsewhere"
      : "The batcher was closed before this item's batch started: bring it elsewhere"
  }
}

/**
 * The item weighs more than a batch may, or its weight is no weight. It was not taken. Split it, or raise `maxWeight`.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooHeavy extends Schema.TaggedError<TooHeavy>()("TooHeavy", {
  weight: Schema.Number,
  maxWeight: Schema.Number
}) {
  override get message(): string {
    return `An item weighs ${this.weight} and a batch at most ${this.maxWeight}: split it, or raise maxWeight`
  }
}

/**
 * A batcher that takes items until its scope ends, and then runs what it took for `drainFor`.
 *
 * **Example** (Ten lookups, one query)
 *
 * ```ts
 * import { Effect, Exit } from "effect"
 * import { Batcher } from "heddle/flow"
 *
 * const queries: Array<number> = []
 * const program = Effect.gen(function*() {
 *   const users = yield* Batcher.make({
 *     run: (ids: ReadonlyArray<number>) =>
 *       Effect.sync(() => {
 *         queries.push(ids.length)
 *         return ids.map((id) => id < 10 ? Exit.succeed(`user ${id}`) : Exit.fail("unknown"))
 *       }),
 *     maxSize: 100
 *   })
 *   return yield* Effect.forEach([1, 2, 3], users.submit, { concurrency: "unbounded" })
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => ["user 1", "user 2", "user 3"]
 * queries // => [3]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <I, A, E, R>(
  options: Options<I, A, E, R>
): Effect.Effect<Batcher<I, A, E>, InvalidOption, R | Scope.Scope> => build(options, Infinity, () => 0)

/**
 * A batcher whose batches have a bound in weight beside that in number.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeWeighted = <I, A, E, R>(
  options: Options<I, A, E, R> & Weighted<I>
): Effect.Effect<Batcher<I, A, E | TooHeavy>, InvalidOption, R | Scope.Scope> => {
  const { maxWeight, weight } = options
  return build<I, A, E | TooHeavy, R>(options, maxWeight, (item) => {
    const weighs = weight(item)
    return weighs >= 0 && weighs <= maxWeight ? weighs : Exit.fail(new TooHeavy({ weight: weighs, maxWeight }))
  })
}

const build = <I, A, E, R>(
  options: Options<I, A, E, R>,
  maxWeight: number,
  weigh: (item: I) => number | Exit.Exit<never, E>
): Effect.Effect<Batcher<I, A, E>, InvalidOption, R | Scope.Scope> =>
  Effect.gen(function*() {
    const { capacity = 10_000, concurrency = 1, drainFor = "30 seconds", maxSize, name, run } = options
    const wrong = checkCount("maxSize", maxSize) ?? checkCount("concurrency", concurrency) ??
      checkCount("capacity", capacity) ?? checkWeight(maxWeight)
    if (wrong !== undefined) return yield* wrong
    const maxWait = checkMillis("maxWait", options.maxWait ?? 0)
    if (maxWait instanceof InvalidOption) return yield* maxWait
    const interval = checkMillis("interval", options.interval ?? 0)
    if (interval instanceof InvalidOption) return yield* interval
    const drain = checkMillis("drainFor", drainFor)
    if (drain instanceof InvalidOption) return yield* drain
    const context = yield* Effect.context<R>()
    const closed = (started: boolean) => new BatcherClosed({ started })
    // More than there is room for never come together.
    const limits = { maxSize: Math.min(maxSize, capacity), maxWeight, maxWait, capacity, concurrency, interval }
    const batching = new Batching({ ...limits, run, weigh, name, context, closed })
    const what = name === undefined ? "Batcher" : `Batcher ${name}`
    yield* Effect.addFinalizer(() => drainAtEnd(what, batching, drain))
    return {
      submit: (item) => batching.submit(item),
      enqueue: (item) => batching.enqueue(item),
      through: (stream) => batching.through(stream),
      flush: batching.flush,
      stats: Effect.sync(() => batching.stats),
      shutdown: (within) => {
        const bound = within === undefined ? drain : checkMillis("within", within)
        return bound instanceof InvalidOption ? Effect.fail(bound) : batching.shutdown(bound)
      }
    }
  })

const checkWeight = (maxWeight: number): InvalidOption | undefined =>
  maxWeight > 0
    ? undefined
    : new InvalidOption({ option: "maxWeight", message: "maxWeight must be a number of more than 0" })
