/**
 * What a job store does beside keeping jobs and handing them out, as types: a program that needs it does not compile on a layer
 * without it.
 *
 * A layer brings a service for each ability it has. `WorkQueue` names those that it needs in its requirements; an app that talks
 * to a store by itself names them by {@link needs}. Two more abilities are services with steps of their own: `JobStore.JobControl` and
 * `JobStore.JobResults`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

export { needs } from "../coordination/LeaseAbility.ts"

/**
 * Of the jobs that wait, those with a higher priority go first; each level is worth a minute of waiting.
 *
 * @category abilities
 * @since 0.1.0
 */
export class Priority extends Context.Service<Priority, true>()("heddle/JobAbility/Priority") {
  static readonly layer: Layer.Layer<Priority> = Layer.succeed(this, true)
}

/**
 * A job can be enqueued for later.
 *
 * @category abilities
 * @since 0.1.0
 */
export class Delay extends Context.Service<Delay, true>()("heddle/JobAbility/Delay") {
  static readonly layer: Layer.Layer<Delay> = Layer.succeed(this, true)
}

/**
 * Jobs of one key are worked on one at a time and in order, also over failures.
 *
 * @category abilities
 * @since 0.1.0
 */
export class KeyOrder extends Context.Service<KeyOrder, true>()("heddle/JobAbility/KeyOrder") {
  static readonly layer: Layer.Layer<KeyOrder> = Layer.succeed(this, true)
}

/**
 * A job is added once for each id, for as long as the queue knows the id.
 *
 * @category abilities
 * @since 0.1.0
 */
export class Unique extends Context.Service<Unique, true>()("heddle/JobAbility/Unique") {
  static readonly layer: Layer.Layer<Unique> = Layer.succeed(this, true)
}

/**
 * Jobs that are enqueued together are added together or not at all.
 *
 * @category abilities
 * @since 0.1.0
 */
export class Batch extends Context.Service<Batch, true>()("heddle/JobAbility/Batch") {
  static readonly layer: Layer.Layer<Batch> = Layer.succeed(this, true)
}

/**
 * What is enqueued or ended inside of a transaction of the app's own database is so if the transaction is committed, and only
 * then.
 *
 * @category abilities
 * @since 0.1.0
 */
export class Transactional extends Context.Service<Transactional, true>()("heddle/JobAbility/Transactional") {
  static readonly layer: Layer.Layer<Transactional> = Layer.succeed(this, true)
}

/**
 * One of them, as a backend names what it has.
 *
 * @category abilities
 * @since 0.1.0
 */
export type Any =
  | typeof Priority
  | typeof Delay
  | typeof KeyOrder
  | typeof Unique
  | typeof Batch
  | typeof Transactional
