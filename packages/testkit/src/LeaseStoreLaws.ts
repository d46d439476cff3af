/**
 * What every `LeaseStore` promises, each promise one test.
 *
 * A backend's test calls `leaseStoreLaws` with its layer. Laws that need a power over the backend (to restart its server,
 * to start other processes) are registered only where the backend's test names that ability; nothing is skipped.
 *
 * @since 0.1.0
 */
import { describe } from "@effect/vitest"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { LeaseStore } from "heddle/coordination"
import { claimingLaws } from "./laws/claiming.ts"
import { holdingLaws } from "./laws/holding.ts"
import { inputLaws } from "./laws/input.ts"
import { inspectingLaws } from "./laws/inspecting.ts"
import { loadLaws } from "./laws/load.ts"
import { losingLaws } from "./laws/losing.ts"
import { outageLaws } from "./laws/outage.ts"
import { processLaws } from "./laws/processes.ts"
import { releasingLaws } from "./laws/releasing.ts"
import { resizingLaws } from "./laws/resizing.ts"
import { sharingLaws } from "./laws/sharing.ts"
import { type Law, lawOf } from "./laws/Stage.ts"
import { waitingLaws } from "./laws/waiting.ts"

/**
 * What a backend's test can do beside building stores. An ability that is absent leaves out the laws that need it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Abilities {
  /** Stores built from the layer one after another see the same resources, as processes with one server do. */
  readonly shared?: true
  /** A module that calls `LeaseWorker.main` with a layer on the same server, and the environment that it needs. */
  readonly worker?: { readonly module: URL; readonly env: Readonly<Record<string, string>> }
  /** Makes the server forget who holds a resource, as if somebody had deleted it. */
  readonly forget?: (resource: string) => Effect.Effect<void, unknown>
  /** Makes the server forget everything at once, waiters as well. */
  readonly wipe?: Effect.Effect<void, unknown>
  /** Kills the server and starts it again with all that it acknowledged. */
  readonly restart?: Effect.Effect<void, unknown>
  /** Cuts the stores built from the layer off from their server until the scope closes. */
  readonly cut?: Effect.Effect<void, unknown, Scope.Scope>
  /** Loses the grants that the server pushes to waiters, and nothing else, until the scope closes. */
  readonly dropPushes?: Effect.Effect<void, unknown, Scope.Scope>
  /** As `LeaseAbility.Weighted`: claims may be for any number of the permits. */
  readonly weighted?: true
  /** A holder can give part of its permits back, and a resource can be resized. */
  readonly resizable?: true
  /** As `LeaseAbility.Fair`: claims of all stores are served in order of arrival. */
  readonly fair?: true
  /** As `LeaseAbility.Described`: holders have values. */
  readonly described?: true
  /** A lease ends with the connection of its holder: leaves out the law of one that outlives it. */
  readonly tied?: true
  /** Part of the server is taken away while the laws run: leaves out the laws of load. */
  readonly harmed?: true
  /** How many entries of resources the store has on the server; 0 where nobody holds or waits. */
  readonly remnants?: Effect.Effect<number, unknown>
}

/**
 * For a store that keeps all that `LeaseAbility.All` names.
 *
 * @category models
 * @since 0.1.0
 */
export const allAbilities = { weighted: true, resizable: true, fair: true, described: true } as const

/**
 * Registers the laws of `LeaseStore` as one suite.
 *
 * **Details**
 *
 * Each law builds the layer anew (`Layer.fresh`), works on resources of its own, and runs in real time. No law measures
 * how long something took: each waits for an event and fails when it has not come within 50 seconds.
 *
 * @category laws
 * @since 0.1.0
 */
export const leaseStoreLaws = <E>(
  name: string,
  layer: Layer.Layer<LeaseStore.LeaseStore, E>,
  abilities: Abilities = {}
): void => {
  describe(`${name} keeps the laws of LeaseStore`, () => {
    const law = lawOf(layer)
    for (const laws of all) laws(law, abilities)
  })
}

const all: ReadonlyArray<(law: Law, abilities: Abilities) => void> = [
  claimingLaws,
  waitingLaws,
  releasingLaws,
  holdingLaws,
  losingLaws,
  inspectingLaws,
  resizingLaws,
  inputLaws,
  loadLaws,
  sharingLaws,
  processLaws,
  outageLaws
]
