/**
 * Lets so many parties on many machines go on together: each waits until all have come.
 *
 * **When to use**
 *
 * For work in steps that all begin at once: a load test, a simulation, a migration in phases. Where parties come and go, and
 * somebody only waits until enough is done, `CountDownLatch` is what you want.
 *
 * **Gotchas**
 *
 * A party that dies, gives up or is interrupted before all have come breaks the barrier for those who wait with it: they get
 * `BarrierBroken`, and may await it again, as the next generation.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { traced } from "../internal/traced.ts"
import { pass } from "./internal/barrierPass.ts"
import { checkBarrier } from "./internal/barrierRequest.ts"
import type { Undecodable } from "./KvEntry.ts"
import { InvalidKey } from "./KvEntry.ts"
import { KvStore } from "./KvStore.ts"
import type { LeaseTimeout, StoreUnavailable } from "./Lease.ts"

/**
 * Which barrier, and for how many.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** What the parties call it: any well-formed string of 1 to 200 characters. */
  readonly key: string
  /** How many go on together, 1 to 1,000; every party must name the same. */
  readonly parties: number
  /** After which time a party that died is noticed, 10 ms to 1 day. Default 10 seconds. */
  readonly ttl?: Duration.Input | undefined
  /** How long to wait for the others; `Infinity` waits for ever. Default 30 seconds. */
  readonly waitFor?: Duration.Input | undefined
}

/**
 * A barrier, as one party sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Barrier {
  /**
   * Waits until as many as there are parties wait, then all of them go on. It may be awaited again: that is the next
   * generation.
   *
   * **Details**
   *
   * The last to come opens it by one write, which all see: all of a generation go on, or none. It costs four round trips
   * and is then pushed.
   *
   * **Interruption**
   *
   * Leaves, and so breaks the barrier for those who wait, unless it has opened.
   */
  readonly await: Effect.Effect<void, BarrierError, KvStore>
}

/**
 * A party has left before all had come: it died, gave up, or was interrupted; or this one was given up for dead. Nobody of
 * this generation goes on. Await it again, with all parties.
 *
 * @category errors
 * @since 0.1.0
 */
export class BarrierBroken extends Schema.TaggedError<BarrierBroken>()("BarrierBroken", { key: Schema.String }) {
  override get message(): string {
    return `a party of barrier ${JSON.stringify(this.key)} left before all had come; await it again, with all of them`
  }
}

/**
 * The parties do not agree on how many they are, or one more came than there are. Give all the same number, and await it as
 * many times.
 *
 * @category errors
 * @since 0.1.0
 */
export class PartiesMismatch extends Schema.TaggedError<PartiesMismatch>()("PartiesMismatch", {
  key: Schema.String,
  parties: Schema.Number,
  /** How many there are. */
  actual: Schema.Number
}) {
  override get message(): string {
    const { actual, key, parties } = this
    const what = actual === parties ? "and this is one more" : `not ${parties}; give all the same number`
    return `barrier ${JSON.stringify(key)} has ${actual} parties, ${what}`
  }
}

/**
 * Why a barrier can fail. `LeaseTimeout`: the others did not come within `waitFor`.
 *
 * @category errors
 * @since 0.1.0
 */
export type BarrierError =
  | BarrierBroken
  | InvalidKey
  | LeaseTimeout
  | PartiesMismatch
  | StoreUnavailable
  | Undecodable

/**
 * Describes a barrier. Nothing is done before it is awaited.
 *
 * **Example** (Nobody begins the second step before all have done the first)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Barrier, KvStore } from "heddle/coordination"
 *
 * const steps: Array<number> = []
 * const barrier = Barrier.make({ key: "load-test", parties: 3 })
 * const party = Effect.gen(function*() {
 *   steps.push(1)
 *   yield* barrier.await
 *   steps.push(2)
 * })
 * const program = Effect.all([party, party, party], {
 *   concurrency: "unbounded"
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.provide(KvStore.layerMemory)))
 * steps // => [1, 1, 1, 2, 2, 2]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Barrier => {
  const request = checkBarrier(options)
  const { key, parties } = options
  return {
    await: request instanceof InvalidKey ? Effect.fail(request) : Effect.flatMap(KvStore, (store) =>
      traced(
        "Barrier.await",
        { "heddle.backend": store.backend, "heddle.barrier.key": key },
        pass({
          store,
          request,
          broken: () => new BarrierBroken({ key }),
          mismatch: (actual) => new PartiesMismatch({ key, parties, actual })
        })
      ))
  }
}
