/**
 * What every `JobStore` promises, each promise one test.
 *
 * A backend's test calls `jobStoreLaws` with its layer. Laws that need an ability are registered only where the backend's test names
 * it; nothing is skipped.
 *
 * @since 0.1.0
 */
import { describe } from "@effect/vitest"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { JobStore } from "heddle/messaging"
import { jobClaimingLaws } from "./laws/jobClaiming.ts"
import { jobControlLaws } from "./laws/jobControl.ts"
import { jobEndingLaws } from "./laws/jobEnding.ts"
import { jobExpiringLaws } from "./laws/jobExpiring.ts"
import { jobInputLaws } from "./laws/jobInput.ts"
import { jobKeyLaws } from "./laws/jobKeys.ts"
import { jobOrderLaws } from "./laws/jobOrder.ts"
import { jobResultLaws } from "./laws/jobResults.ts"
import { jobSharingLaws } from "./laws/jobSharing.ts"
import { type JobLaw, jobLawOf } from "./laws/jobStage.ts"

/**
 * What a store has of `JobAbility`, and what a backend's test can do beside building stores.
 *
 * @category models
 * @since 0.1.0
 */
export interface JobAbilities {
  readonly priority?: true
  readonly delay?: true
  readonly keyOrder?: true
  readonly unique?: true
  readonly batch?: true
  /** The layer brings `JobControl`. */
  readonly control?: true
  /** The layer brings `JobResults`. */
  readonly results?: true
  /** Stores built from the layer one after another see the same queues, as processes with one server do. */
  readonly shared?: true
  /** The shortest ttl that the store keeps to, in milliseconds. Default 200. */
  readonly leastTtl?: number
  /** Kills the server and starts it again with all that it acknowledged. */
  readonly restart?: Effect.Effect<void, unknown>
  /** Cuts the stores built from the layer off from their server until the scope closes. */
  readonly cut?: Effect.Effect<void, unknown, Scope.Scope>
}

/**
 * For a store that has all that `JobStore.All` names.
 *
 * @category models
 * @since 0.1.0
 */
export const allJobAbilities = {
  priority: true,
  delay: true,
  keyOrder: true,
  unique: true,
  batch: true,
  control: true,
  results: true
} as const

/**
 * Registers the laws of `JobStore` as one suite.
 *
 * **Details**
 *
 * Each law builds the layer anew (`Layer.fresh`), works on a queue of its own, and runs in real time. No law measures how long
 * something took: each waits for an event and fails when it has not come within 50 seconds.
 *
 * @category laws
 * @since 0.1.0
 */
export const jobStoreLaws = <E>(
  name: string,
  layer: Layer.Layer<JobStore.JobStore, E>,
  abilities: JobAbilities = {}
): void => {
  describe(`${name} keeps the laws of JobStore`, () => {
    const law = jobLawOf(layer)
    for (const laws of all) laws(law, abilities)
  })
}

const all: ReadonlyArray<(law: JobLaw, abilities: JobAbilities) => void> = [
  jobClaimingLaws,
  jobEndingLaws,
  jobExpiringLaws,
  jobOrderLaws,
  jobKeyLaws,
  jobControlLaws,
  jobResultLaws,
  jobInputLaws,
  jobSharingLaws
]
