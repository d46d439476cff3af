/**
 * Handles the items of one key in their order, and those of different keys at the same time.
 *
 * Items with equal keys run one after another, in the order in which they were taken. A key that is slow, fails or is stuck
 * holds up only itself; a key with nothing to do costs nothing. What waits is bounded, by key and in all: who brings more waits
 * for room.
 *
 * **When to use**
 *
 * For events that must be applied in order by account, device or document. Where items of a key must only not meet, and the
 * caller's own fiber should do the work, `KeyedMutex` is enough; where no order matters, `Effect.forEach` with `concurrency` is.
 * For many processes take a queue with groups or a lock by key.
 *
 * **Details**
 *
 * Each key has a lane of its own, so that no hash puts a slow key in front of another. `concurrency` fibers go round the lanes
 * that have something to do, one item at a time: a busy key does not keep the others waiting. `handle` with `Effect.retry` holds
 * its key while it retries, so that nothing overtakes.
 *
 * **Gotchas**
 *
 * Keys are compared as by `Map`: strings and numbers by value, objects by identity. A handler that submits to its own key and
 * waits for the outcome waits for itself.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { hash } from "../internal/hash.ts"
import { InvalidOption } from "../internal/InvalidOption.ts"
import { drainAtEnd } from "./internal/draining.ts"
import { checkCount, checkMillis } from "./internal/options.ts"
import { Partitions } from "./internal/partitions.ts"

/**
 * What a partitioner does with items, and how many it takes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<I, A, E, R> {
  /** Which items stand in one line. */
  readonly key: (item: I) => unknown
  /** Handles one item. It runs in a fiber of the partitioner, with the services that `make` was given. */
  readonly handle: (item: I) => Effect.Effect<A, E, R>
  /** How many keys are handled at a time: a whole number, or `Infinity`. */
  readonly concurrency: number
  /** How many items of a key are taken at most, that which runs among them. Default 100. */
  readonly perKey?: number | undefined
  /** How many items are taken at most over all keys. Default 10,000. */
  readonly capacity?: number | undefined
  /** How long the end of the scope waits for what was taken. Default 30 seconds; `Infinity` waits until all has run. */
  readonly drainFor?: Duration.Input | undefined
  /** A name for its metrics (label `name`); there should be few of them. Latency is kept with a name only. Default: no label. */
  readonly name?: string | undefined
}

/**
 * What did not run to its end, in no order between keys.
 *
 * @category models
 * @since 0.1.0
 */
export interface Left<I> {
  /** Taken and never started. */
  readonly notRun: ReadonlyArray<I>
  /** Started and interrupted: they may have had effects. */
  readonly interrupted: ReadonlyArray<I>
}

/**
 * What a partitioner holds at a moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Keys that have items. There is nothing for any other key. */
  readonly keys: number
  /** Items that were not yet taken because there is no room. */
  readonly waiting: number
  /** Items that were taken and have not started. */
  readonly queued: number
  /** Items that run. */
  readonly active: number
}

/**
 * Takes items and handles them in order by key.
 *
 * @category models
 * @since 0.1.0
 */
export interface Partitioner<I, A, E> {
  /**
   * Waits until the item was handled, and answers with its outcome. Fails with `PartitionerClosed` if it was not taken or did
   * not run to its end.
   *
   * **Interruption**
   *
   * An item that has not started leaves its line at once. One that runs is interrupted; its finalizers end before the
   * interruption is over and before the next item of its key starts.
   */
  readonly submit: (item: I) => Effect.Effect<A, E | PartitionerClosed>
  /**
   * Waits for room only, and answers with an effect that waits for the outcome, for as many as ask. Items that one fiber brings
   * one after another keep their order.
   *
   * **Interruption**
   *
   * An interrupted call leaves no item behind. To interrupt who waits for an outcome does not touch the item.
   */
  readonly enqueue: (item: I) => Effect.Effect<Effect.Effect<A, E | PartitionerClosed>, PartitionerClosed>
  /** What it holds now. */
  readonly stats: Effect.Effect<Stats>
  /**
   * Takes nothing more, refuses those who wait for room, and waits until all that was taken has run. When `within` is over it
   * interrupts what runs, gives it 5 seconds to end, and says what was left. Default: `drainFor`. The end of the scope does the
   * same, and logs what was left as a warning.
   *
   * **Interruption**
   *
   * An interrupted call stops waiting. The partitioner stays closed, and what was taken goes on.
   */
  readonly shutdown: (within?: Duration.Input) => Effect.Effect<Left<I>, InvalidOption>
}

/**
 * The partitioner takes nothing more, and this item did not run to its end. Bring it elsewhere; if it had started it may have
 * had effects.
 *
 * @category errors
 * @since 0.1.0
 */
export class PartitionerClosed extends Schema.TaggedError<PartitionerClosed>()("PartitionerClosed", {
  /** Whether the item had started. */
  started: Schema.Boolean
}) {
  override get message(): string {
    return this.started
      ? "The partitioner was closed while this item ran: see what it did before you bring it elsewhere"
      : "The partitioner was closed before this item started: bring it elsewhere"
  }
}

/**
 * A partitioner that takes items until its scope ends, and then lets what it took run for `drainFor`.
 *
 * **Example** (In order by account)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Partitioner } from "heddle/flow"
 *
 * const applied: Array<string> = []
 * const program = Effect.gen(function*() {
 *   const accounts = yield* Partitioner.make({
 *     key: (event: { readonly account: string; readonly step: number }) => event.account,
 *     handle: ({ account, step }) => Effect.sync(() => applied.push(`${account}${step}`)),
 *     concurrency: 10
 *   })
 *   for (const step of [1, 2, 3]) {
 *     yield* accounts.enqueue({ account: "a", step })
 *   }
 *   yield* accounts.submit({ account: "b", step: 1 })
 * })
 *
 * await Effect.runPromise(Effect.scoped(program))
 * applied.filter((event) => event.startsWith("a")) // => ["a1", "a2", "a3"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <I, A, E, R>(
  options: Options<I, A, E, R>
): Effect.Effect<Partitioner<I, A, E>, InvalidOption, R | Scope.Scope> =>
  Effect.gen(function*() {
    const { capacity = 10_000, concurrency, drainFor = "30 seconds", handle, key, name, perKey = 100 } = options
    const wrong = checkCount("concurrency", concurrency) ?? checkCount("perKey", perKey) ??
      checkCount("capacity", capacity)
    if (wrong !== undefined) return yield* wrong
    const millis = checkMillis("drainFor", drainFor)
    if (millis instanceof InvalidOption) return yield* millis
    const context = yield* Effect.context<R>()
    const closed = (started: boolean) => new PartitionerClosed({ started })
    const partitions = new Partitions({ key, handle, concurrency, perKey, capacity, name, context, closed })
    const what = name === undefined ? "Partitioner" : `Partitioner ${name}`
    yield* Effect.addFinalizer(() => drainAtEnd(what, partitions, millis))
    return {
      submit: (item) => partitions.submit(item),
      enqueue: (item) => partitions.enqueue(item),
      stats: Effect.sync(() => partitions.stats),
      shutdown: (within) => {
        const bound = within === undefined ? millis : checkMillis("within", within)
        return bound instanceof InvalidOption ? Effect.fail(bound) : partitions.shutdown(bound)
      }
    }
  })

/**
 * A function that gives each key one of so many lanes, numbered from 0: always the same, and evenly. For resources that are one
 * a lane, such as a connection: give the lane as `key`.
 *
 * **Details**
 *
 * FNV-1a, mixed by the finalizer of MurmurHash3, scaled to the number of lanes: there is no remainder that could be negative.
 *
 * @category constructors
 * @since 0.1.0
 */
export const lanes = (count: number): Effect.Effect<(key: string) => number, InvalidOption> =>
  Number.isInteger(count) && count >= 1 && count <= 2 ** 32
    ? Effect.succeed((key) => Math.floor(hash(key, 0x811c9dc5) / 2 ** 32 * count))
    : Effect.fail(new InvalidOption({ option: "count", message: "count must be a whole number from 1 to 2^32" }))
