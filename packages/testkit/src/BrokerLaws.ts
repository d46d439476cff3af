/**
 * What every `Broker` promises, each promise one test.
 *
 * A backend's test calls `brokerLaws` with its layer. Laws that need an ability are registered only where the backend's test names it;
 * nothing is skipped.
 *
 * @since 0.1.0
 */
import { describe } from "@effect/vitest"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Broker } from "heddle/messaging"
import { brokerGroupLaws } from "./laws/brokerGroups.ts"
import { brokerHearingLaws } from "./laws/brokerHearing.ts"
import { brokerInputLaws } from "./laws/brokerInput.ts"
import { brokerSharingLaws } from "./laws/brokerSharing.ts"
import { brokerSlowLaws } from "./laws/brokerSlow.ts"
import { brokerLawOf } from "./laws/brokerStage.ts"

/**
 * What a broker has beside carrying messages, and what a backend's test can do beside building brokers.
 *
 * @category models
 * @since 0.1.0
 */
export interface BrokerAbilities {
  /** The layer brings `BrokerGroups`. */
  readonly groups?: true
  /** The layer brings `BrokerAbility.Backpressure`. */
  readonly backpressure?: true
  /** Brokers built from the layer one after another carry the same messages, as processes with one server do. */
  readonly shared?: true
  /** Kills the server and starts it again. */
  readonly restart?: Effect.Effect<void, unknown>
  /** Cuts the brokers built from the layer off from their server until the scope closes. */
  readonly cut?: Effect.Effect<void, unknown, Scope.Scope>
}

/**
 * Registers the laws of `Broker` as one suite.
 *
 * **Details**
 *
 * Each law builds the layer anew (`Layer.fresh`), works on a subject of its own, and runs in real time. No law measures how long
 * something took: each waits for an event and fails when it has not come within 50 seconds.
 *
 * @category laws
 * @since 0.1.0
 */
export const brokerLaws = <E>(
  name: string,
  layer: Layer.Layer<Broker.Broker, E>,
  abilities: BrokerAbilities = {}
): void => {
  describe(`${name} keeps the laws of Broker`, () => {
    const law = brokerLawOf(layer)
    brokerHearingLaws(law)
    brokerInputLaws(law, abilities)
    brokerSlowLaws(law, abilities)
    brokerGroupLaws(law, abilities)
    brokerSharingLaws(law, abilities)
  })
}
