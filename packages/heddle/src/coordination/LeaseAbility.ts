/**
 * What a lease store promises beside arbitrating exclusive claims, as types: a program that needs a promise does not
 * compile on a layer without it.
 *
 * A layer brings a service for each promise it keeps. A pattern names those that it stands on in its requirements; an app
 * names those that it relies on by {@link needs}.
 *
 * **Example** (An app whose writes are fenced)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { DistributedLock, LeaseAbility, LeaseStore } from "heddle/coordination"
 *
 * const write = DistributedLock.withLock("report")((lease) =>
 *   Effect.succeed(lease.token > 0n)
 * ).pipe(LeaseAbility.needs(LeaseAbility.Fenced))
 *
 * await Effect.runPromise(write.pipe(Effect.provide(LeaseStore.layerMemory))) // => true
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * Each grant of a resource has a token above every earlier one, whatever the servers forget.
 *
 * @category abilities
 * @since 0.1.0
 */
export class Fenced extends Context.Service<Fenced, true>()("heddle/LeaseAbility/Fenced") {
  static readonly layer: Layer.Layer<Fenced> = Layer.succeed(this, true)
}

/**
 * Claims of all processes are served in order of arrival.
 *
 * @category abilities
 * @since 0.1.0
 */
export class Fair extends Context.Service<Fair, true>()("heddle/LeaseAbility/Fair") {
  static readonly layer: Layer.Layer<Fair> = Layer.succeed(this, true)
}

/**
 * A resource can be held by many at once, each with one permit, or by one with all of them; and one with all can give
 * back all but one in one step.
 *
 * @category abilities
 * @since 0.1.0
 */
export class Shared extends Context.Service<Shared, true>()("heddle/LeaseAbility/Shared") {
  static readonly layer: Layer.Layer<Shared> = Layer.succeed(this, true)
}

/**
 * A claim can be for any number of a resource's permits, and their number can be changed.
 *
 * @category abilities
 * @since 0.1.0
 */
export class Weighted extends Context.Service<Weighted, true>()("heddle/LeaseAbility/Weighted") {
  static readonly layer: Layer.Layer<Weighted> = Layer.succeed(this, true)
}

/**
 * A holder has a value that everybody sees and that it can replace; who holds and who waits can be followed.
 *
 * @category abilities
 * @since 0.1.0
 */
export class Described extends Context.Service<Described, true>()("heddle/LeaseAbility/Described") {
  static readonly layer: Layer.Layer<Described> = Layer.succeed(this, true)
}

/**
 * A lease that was granted is still known after a server has failed and another has taken its place.
 *
 * @category abilities
 * @since 0.1.0
 */
export class SurvivesFailover
  extends Context.Service<SurvivesFailover, true>()("heddle/LeaseAbility/SurvivesFailover")
{
  static readonly layer: Layer.Layer<SurvivesFailover> = Layer.succeed(this, true)
}

/**
 * All that the patterns of Heddle stand on.
 *
 * @category abilities
 * @since 0.1.0
 */
export type All = Fenced | Fair | Shared | Weighted | Described

/**
 * A layer of everything in {@link All}, for a store that keeps all of it.
 *
 * @category abilities
 * @since 0.1.0
 */
export const layerAll: Layer.Layer<All> = Layer.mergeAll(
  Fenced.layer,
  Fair.layer,
  Shared.layer,
  Weighted.layer,
  Described.layer
)

/**
 * Lets the effect run only where the store keeps a promise.
 *
 * @category abilities
 * @since 0.1.0
 */
export const needs =
  <I>(ability: Context.Key<I, true>) => <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | I> =>
    Effect.andThen(ability, self)
