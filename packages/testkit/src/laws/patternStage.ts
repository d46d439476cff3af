import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import { unique } from "./Stage.ts"

/** Provides the services of one process. */
export type On<R> = <A, E, N>(effect: Effect.Effect<A, E, N>) => Effect.Effect<A, E, Exclude<N, R>>

/** What a law of a pattern works with. */
export interface PatternStage<R> {
  /** A name that nobody else uses. */
  readonly name: string
  readonly here: On<R>
  /** As another process that shares the backend. */
  readonly there: On<R>
}

export type PatternLaw<R> = (
  title: string,
  body: (stage: PatternStage<R>) => Effect.Effect<unknown, unknown, Scope.Scope>
) => void

/** `layer` built twice stands for two processes: what it keeps must be shared by both. */
export const patternLawOf = <R, E>(layer: Layer.Layer<R, E>): PatternLaw<R> => (title, body) =>
  it.live(title, () =>
    Effect.gen(function*() {
      const process = Effect.map(
        Layer.build(Layer.fresh(layer)),
        (context): On<R> => (effect) => Effect.provideContext(effect, context)
      )
      yield* body({ name: unique(), here: yield* process, there: yield* process })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())), { timeout: 120_000 })
