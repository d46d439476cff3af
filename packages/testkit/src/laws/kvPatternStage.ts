import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { KvStore } from "heddle/coordination"
import { type On, patternLawOf } from "./patternStage.ts"
import { eventually } from "./Stage.ts"

/** What a law of a pattern on `KvStore` works with, beside a store. */
export interface KvPatternStage {
  /** A name that nobody else uses. */
  readonly name: string
  /** As another process that shares the backend. */
  readonly elsewhere: On<KvStore.KvStore>
  /** One more process, which can die without a word: nothing of it is renewed, and nothing given back, from then on. */
  readonly mortal: Effect.Effect<{ readonly on: On<KvStore.KvStore>; readonly die: Effect.Effect<void> }, unknown>
}

export type KvPatternLaw = (
  title: string,
  body: (stage: KvPatternStage) => Effect.Effect<unknown, unknown, KvStore.KvStore | Scope.Scope>
) => void

/** Stores built from the layer one after another must see the same keys. */
export const kvPatternLawOf = <E>(layer: Layer.Layer<KvStore.KvStore, E>): KvPatternLaw => {
  const law = patternLawOf(layer)
  const mortal = Effect.gen(function*() {
    const scope = yield* Scope.make()
    const services = yield* Scope.provide(Layer.build(Layer.fresh(layer)), scope)
    const store = Context.get(services, KvStore.KvStore)
    const kept = KvStore.KvStore.of({
      ...store,
      lease: (options) =>
        Effect.map(Scope.provide(store.lease(options), Scope.makeUnsafe()), (lease) => ({
          ...lease,
          isAlive: () => lease.isAlive(),
          guard: (effect) => lease.guard(effect),
          run: (effect) => lease.run(effect),
          release: Effect.void,
          releaseUnsafe: () => undefined
        }))
    })
    const on: On<KvStore.KvStore> = (effect) => Effect.provideContext(effect, Context.make(KvStore.KvStore, kept))
    return { on, die: Scope.close(scope, Exit.void) }
  })
  return (title, body) => law(title, ({ here, name, there }) => here(body({ name, elsewhere: there, mortal })))
}

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
