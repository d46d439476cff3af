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
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { leading, requestOf } from "./internal/electionRun.ts"
import { checkKey, checkRequest } from "./internal/leaseRequest.ts"
import type { CampaignError, CampaignOptions, Leadership, Needs } from "./LeaderElection.ts"
import { InvalidClaim } from "./Lease.ts"
import { LeaseStore } from "./LeaseStore.ts"

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
): Effect.Effect<A, E | CampaignError, R | Needs> =>
  Effect.flatMap(LeaseStore, (store): Effect.Effect<A, E | CampaignError, R> => {
    const wrong = checkKey(name, "name")
    return wrong === undefined ? leading(store, electionOf(name), options, workOf(effect)) : Effect.fail(wrong)
  })

/**
 * `run` for as long as a layer lives. An effect that fails is logged, and another process takes over.
 *
 * **Details**
 *
 * The layer is built at once, and waits for its turn in a fiber of its own. A store that cannot be reached is asked again
 * until it can be, after 100 ms and at most 5 s, with a warning in the log.
 *
 * **Interruption**
 *
 * Closing the layer interrupts the effect and waits for its finalizers.
 *
 * **Example** (A job that lives as long as the app)
 *
 * ```ts
 * import { Deferred, Effect } from "effect"
 * import { LeaseStore, Singleton } from "heddle/coordination"
 *
 * const program = Effect.gen(function*() {
 *   const started = yield* Deferred.make<string>()
 *   const job = Singleton.layer("report")(
 *     Effect.andThen(Deferred.succeed(started, "runs"), Effect.never)
 *   )
 *   return yield* Effect.provide(Deferred.await(started), job)
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.provide(LeaseStore.layerMemory))) // => "runs"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (name: string, options: Omit<CampaignOptions, "waitFor"> = {}) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R> | ((leadership: Leadership) => Effect.Effect<A, E, R>)
): Layer.Layer<never, InvalidClaim, R | Needs> =>
  Layer.effectDiscard(Effect.flatMap(LeaseStore, (store) => {
    const election = electionOf(name)
    const wrong = checkKey(name, "name") ?? checkRequest(requestOf(election, options), "")
    if (wrong instanceof InvalidClaim) return Effect.fail(wrong)
    return leading(store, election, options, workOf(effect), true).pipe(
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.void
          : Effect.logError(`Singleton ${JSON.stringify(name)} has failed`, cause)
      ),
      Effect.forkScoped
    )
  }))

const electionOf = (name: string): string => `singleton/${name}`

const workOf =
  <A, E, R>(effect: Effect.Effect<A, E, R> | ((leadership: Leadership) => Effect.Effect<A, E, R>)) =>
  (leadership: Leadership): Effect.Effect<A, E, R> => Effect.isEffect(effect) ? effect : effect(leadership)
