/**
 * What every `LogStore` promises, each promise one test.
 *
 * A backend's test calls `logLaws` with its layer. Laws that need a power over the backend are registered only where the backend's
 * test names that ability; nothing is skipped.
 *
 * @since 0.1.0
 */
import { describe } from "@effect/vitest"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { LogStore } from "heddle/messaging"
import { logAppendingLaws } from "./laws/logAppending.ts"
import { logConsumingLaws } from "./laws/logConsuming.ts"
import { logInputLaws } from "./laws/logInput.ts"
import { logReadingLaws } from "./laws/logReading.ts"
import { logRetentionLaws } from "./laws/logRetention.ts"
import { logSharingLaws } from "./laws/logSharing.ts"
import { type LogLaw, logLawOf } from "./laws/logStage.ts"
import { logTwinLaw } from "./laws/logTwin.ts"

/**
 * What a backend's test can do beside building stores. An ability that is absent leaves out the laws that need it.
 *
 * @category models
 * @since 0.1.0
 */
export interface LogAbilities {
  /** Stores built from the layer one after another have the same logs, as processes with one server do. */
  readonly shared?: true
  /** Kills the server and starts it again with all that it acknowledged. */
  readonly restart?: Effect.Effect<void, unknown>
  /** Cuts the stores built from the layer off from their server until the scope closes. */
  readonly cut?: Effect.Effect<void, unknown, Scope.Scope>
}

/**
 * Registers the laws of `LogStore` as one suite.
 *
 * **Details**
 *
 * Each law builds the layer anew (`Layer.fresh`), works on a log of its own, and runs in real time. No law measures how long
 * something took: each waits for an event and fails when it has not come within 50 seconds.
 *
 * @category laws
 * @since 0.1.0
 */
export const logLaws = <E>(
  name: string,
  layer: Layer.Layer<LogStore.LogStore, E>,
  abilities: LogAbilities = {}
): void => {
  describe(`${name} keeps the laws of LogStore`, () => {
    const law = logLawOf(layer)
    for (const laws of all) laws(law, abilities)
    logTwinLaw(layer)
  })
}

const all: ReadonlyArray<(law: LogLaw, abilities: LogAbilities) => void> = [
  logAppendingLaws,
  logReadingLaws,
  logRetentionLaws,
  logConsumingLaws,
  logInputLaws,
  logSharingLaws
]
