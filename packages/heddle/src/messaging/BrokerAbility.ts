/**
 * What a broker does beside carrying messages, as types: a program that needs it does not compile on a layer without it.
 *
 * That a message can go to one of a group is a service with a step of its own, `Broker.BrokerGroups`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

export { needs } from "../coordination/LeaseAbility.ts"

/**
 * A publisher can be made to wait for a subscriber.
 *
 * @category abilities
 * @since 0.1.0
 */
export class Backpressure extends Context.Service<Backpressure, true>()("heddle/BrokerAbility/Backpressure") {
  static readonly layer: Layer.Layer<Backpressure> = Layer.succeed(this, true)
}
