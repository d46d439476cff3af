/**
 * Runs an effect on exactly one process of many, and moves it when that process dies.
 *
 * **When to use**
 *
 * For a background job that every process of a fleet starts and one of them is to do. For more than one job by one leader use
 * `LeaderElection`; for a job on a schedule use `Cron`.
 *
 * **Gotchas**
 *
 * The effect begins anew on the process that takes over: what it must remember belongs in a store.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { CampaignError, CampaignOptions, Leadership, Needs } from "./LeaderElection.ts"
import * as LeaderElection from "./LeaderElection.ts"
import type { InvalidClaim } from "./Lease.ts"

/**
 * Waits until it is the one, then runs the effect for as long as it is; on loss the effect is interrupted, and it waits again.
 * Ends when the effect does: then another process runs it.
 *
 * **Interruption**
 *
 * Leaves the line; or interrupts the effect, waits for its finalizers, and lets another process in.
 *
 * **Example** (Every process starts it, one does it)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { LeaseStore, Singleton } from "heddle/coordination"
 *
 * let runs = 0
 * const job = Singleton.run("report")(
 *   Effect.andThen(Effect.sync(() => runs++), Effect.never)
 * )
 * const fleet = Effect.all([job, job, job], { concurrency: "unbounded" })
 *
 * await Effect.runPromise(
 *   fleet.pipe(Effect.timeoutOption(100), Effect.provide(LeaseStore.layerMemory))
 * )
 * runs // => 1
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = (name: string, options: CampaignOptions = {}) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R> | ((leadership: Leadership) => Effect.Effect<A, E, R>)
): Effect.Effect<A, E | CampaignError, R | Needs> => LeaderElection.runAsLeader(`singleton/${name}`, options)(effect)

/**
 * `run` for as long as a layer lives. An effect that fails is logged, and another process takes over.
 *
 * **Interruption**
 *
 * Closing the layer interrupts the effect and waits for its finalizers.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (name: string, options: CampaignOptions = {}) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R> | ((leadership: Leadership) => Effect.Effect<A, E, R>)
): Layer.Layer<never, InvalidClaim, R | Needs> =>
  Layer.effectDiscard(
    run(name, options)(effect).pipe(
      Effect.tapCause((cause) => Effect.logError(`Singleton ${JSON.stringify(name)} has failed`, cause)),
      Effect.forkScoped
    )
  )
