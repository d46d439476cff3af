/**
 * Waits until so many parties, on whatever machines, have counted down; then it is open and stays so.
 *
 * **When to use**
 *
 * For one who goes on when enough others are done or ready: a deployment when all nodes have loaded, a report when all parts
 * are there. Where those who count wait for each other, `Barrier` is what you want.
 *
 * **Gotchas**
 *
 * A count stays when the party dies. A latch that was opened is open for ever, until `reset`, or its `retention` is over.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Latch } from "./internal/latch.ts"
import type { Conflict, InvalidKey, Undecodable } from "./KvEntry.ts"
import type { KvStore } from "./KvStore.ts"
import type { LeaseTimeout, StoreUnavailable } from "./Lease.ts"

/**
 * Which latch, and how many it waits for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** What the parties call it: any well-formed string of 1 to 200 characters. */
  readonly key: string
  /** How many parties have to count down, 1 to 1,000; everyone must name the same. */
  readonly count: number
  /** How long it is kept after the last count, 10 ms to 400 days. Default `Infinity`: until `reset`. */
  readonly retention?: Duration.Input | undefined
  /** How long `await` waits; `Infinity` waits for ever. Default 30 seconds. */
  readonly waitFor?: Duration.Input | undefined
}

/**
 * A latch.
 *
 * @category models
 * @since 0.1.0
 */
export interface CountDownLatch {
  /**
   * Counts the party, a name of 1 to 200 characters, and answers how many are still to come. A party counts once, however
   * often it counts: calling it again is safe.
   *
   * **Interruption**
   *
   * The party is counted or not; count again.
   */
  readonly countDown: (party: string) => Effect.Effect<number, Conflict | LatchError, KvStore>
  /**
   * Waits until it is open.
   *
   * **Interruption**
   *
   * Leaves; nothing changes for the others.
   */
  readonly await: Effect.Effect<void, LatchError | LeaseTimeout, KvStore>
  /** Closes it again, with nobody counted. False where nobody was. */
  readonly reset: Effect.Effect<boolean, InvalidKey | StoreUnavailable, KvStore>
}

/**
 * Two callers do not agree on how many a latch waits for. Give both the same `count`, or `reset` it.
 *
 * @category errors
 * @since 0.1.0
 */
export class CountMismatch extends Schema.TaggedError<CountMismatch>()("CountMismatch", {
  key: Schema.String,
  count: Schema.Number,
  actual: Schema.Number
}) {
  override get message(): string {
    return `latch ${JSON.stringify(this.key)} waits for ${this.actual}, not ${this.count}; give all the same count`
  }
}

/**
 * Why a latch can fail. `countDown` also fails with `Conflict`, where too many count at the same moment; count again.
 *
 * @category errors
 * @since 0.1.0
 */
export type LatchError = CountMismatch | InvalidKey | StoreUnavailable | Undecodable

/**
 * Describes a latch. Nothing is done before it is used.
 *
 * **Example** (Going on when both nodes are ready)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { CountDownLatch, KvStore } from "heddle/coordination"
 *
 * const ready = CountDownLatch.make({ key: "deploy/17", count: 2 })
 * const program = Effect.gen(function*() {
 *   const left = yield* ready.countDown("node-a")
 *   yield* ready.countDown("node-a") // counts once
 *   yield* Effect.forkChild(ready.countDown("node-b"))
 *   yield* ready.await
 *   return left
 * })
 *
 * const left = await Effect.runPromise(
 *   program.pipe(Effect.provide(KvStore.layerMemory))
 * )
 * left // => 1
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): CountDownLatch =>
  new Latch(options, (actual) => new CountMismatch({ key: options.key, count: options.count, actual }))
