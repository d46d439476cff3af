import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import { KvStore } from "heddle/coordination"
import { eventually, unique } from "./Stage.ts"

/** What a law of a pattern on `KvStore` works with, beside a store. */
export interface KvPatternStage {
  /** A name that nobody else uses. */
  readonly name: string
  /** Runs the effect on one more store from the same layer, as another process would. */
  readonly elsewhere: <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, Exclude<R, KvStore.KvStore>>
}

export type KvPatternLaw = (
  title: string,
  body: (stage: KvPatternStage) => Effect.Effect<unknown, unknown, KvStore.KvStore | Scope.Scope>
) => void

/** Stores built from the layer one after another must see the same keys. */
export const kvPatternLawOf = <E>(layer: Layer.Layer<KvStore.KvStore, E>): KvPatternLaw => (title, body) =>
  it.live(title, () =>
    Effect.gen(function*() {
      const build = Layer.build(Layer.fresh(layer))
      const here = yield* build
      const there = yield* build
      const stage: KvPatternStage = { name: unique(), elsewhere: Effect.provide(there) }
      yield* Effect.provide(body(stage), here)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())), { timeout: 60_000 })

/** Notes how many watches an effect has begun: what comes after that, they are told. */
export const watches = Effect.sync(() => {
  let begun = 0
  const noted = <A extends ReadonlyArray<unknown>, B>(watch: (...args: A) => B) => (...args: A): B => {
    begun++
    return watch(...args)
  }
  return {
    watching: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.updateService(
        effect,
        KvStore.KvStore,
        (store) => KvStore.KvStore.of({ ...store, watch: noted(store.watch), watchPrefix: noted(store.watchPrefix) })
      ),
    seen: (count: number) => eventually(`${count} watch`, Effect.sync(() => begun >= count))
  }
})
export type Watches = Effect.Success<typeof watches>
