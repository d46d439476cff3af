/**
 * What every `KvStore` promises, each promise one test.
 *
 * A backend's test calls `kvStoreLaws` with its layer. Laws that need a power over the backend are registered only where
 * the backend's test names that ability; nothing is skipped.
 *
 * @since 0.1.0
 */
import { describe } from "@effect/vitest"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { KvStore } from "heddle/coordination"
import { kvInputLaws } from "./laws/kvInput.ts"
import { kvLeaseLaws } from "./laws/kvLeases.ts"
import { type KvLaw, kvLawOf } from "./laws/kvStage.ts"
import { kvWatchingLaws } from "./laws/kvWatching.ts"
import { kvWritingLaws } from "./laws/kvWriting.ts"

/**
 * What a backend's test can do beside building stores. An ability that is absent leaves out the laws that need it.
 *
 * @category models
 * @since 0.1.0
 */
export interface KvAbilities {
  /** Stores built from the layer one after another see the same keys, as processes with one server do. */
  readonly shared?: true
  /** The shortest ttl that the server keeps to, in milliseconds. Default 200. */
  readonly leastTtl?: number
  /** Makes the server forget all changes up to now, but no key. */
  readonly compact?: Effect.Effect<void, unknown>
  /** Kills the server and starts it again with all that it acknowledged. */
  readonly restart?: Effect.Effect<void, unknown>
  /** Cuts the stores built from the layer off from their server until the scope closes. */
  readonly cut?: Effect.Effect<void, unknown, Scope.Scope>
}

/**
 * Registers the laws of `KvStore` and `KvTransactions` as one suite.
 *
 * **Details**
 *
 * Each law builds the layer anew (`Layer.fresh`), works on keys of its own, and runs in real time. No law measures how long
 * something took: each waits for an event and fails when it has not come within 50 seconds.
 *
 * @category laws
 * @since 0.1.0
 */
export const kvStoreLaws = <E>(
  name: string,
  layer: Layer.Layer<KvStore.KvStore | KvStore.KvTransactions, E>,
  abilities: KvAbilities = {}
): void => {
  describe(`${name} keeps the laws of KvStore`, () => {
    const law = kvLawOf(layer)
    for (const laws of all) laws(law, abilities)
  })
}

const all: ReadonlyArray<(law: KvLaw, abilities: KvAbilities) => void> = [
  kvWritingLaws,
  kvLeaseLaws,
  kvWatchingLaws,
  kvInputLaws
]
