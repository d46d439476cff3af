/**
 * What `LeaderElection` promises on every backend, each promise one test.
 *
 * @since 0.1.0
 */
import { describe } from "@effect/vitest"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { LeaderElection } from "heddle/coordination"
import { electingLaws } from "./laws/electing.ts"
import { electionLosingLaws } from "./laws/electionLosing.ts"
import { electionObservingLaws } from "./laws/electionObserving.ts"
import { electionProcessLaws } from "./laws/electionProcesses.ts"
import { patternLawOf } from "./laws/patternStage.ts"

/**
 * What a backend's test can do beside building stores, as for `leaseStoreLaws`. An ability that is absent leaves out the laws
 * that need it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ElectionAbilities {
  /** A module that calls `LeaseWorker.main` with a layer on the same server, and the environment that it needs. */
  readonly worker?: { readonly module: URL; readonly env: Readonly<Record<string, string>> }
  /** Makes the server forget who holds a resource, as if somebody had deleted it. */
  readonly forget?: (resource: string) => Effect.Effect<void, unknown>
  /** Cuts the stores built from the layer off from their server until the scope closes. */
  readonly cut?: Effect.Effect<void, unknown, Scope.Scope>
  /** How many watches the server has; nobody else uses it meanwhile. */
  readonly watchers?: Effect.Effect<number, unknown>
}

/**
 * Registers the laws of `LeaderElection` as one suite. The layer, built twice, stands for two processes on one backend.
 *
 * @category laws
 * @since 0.1.0
 */
export const leaderElectionLaws = <E>(
  name: string,
  layer: Layer.Layer<LeaderElection.Needs, E>,
  abilities: ElectionAbilities = {}
): void => {
  describe(`${name} keeps the laws of LeaderElection`, () => {
    const law = patternLawOf(layer)
    electingLaws(law)
    electionObservingLaws(law, abilities)
    electionLosingLaws(law, abilities)
    electionProcessLaws(law, abilities)
  })
}
