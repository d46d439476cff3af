/**
 * What every `RateLimiterStore` promises, each promise one test.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { RateLimiter, type RateLimiterStore, type RateMachine } from "heddle/resilience"
import { RateLimiterStore as Stores } from "heddle/resilience"
import { inTime, unique } from "./laws/Stage.ts"

type Store = RateLimiterStore.RateLimiterStore["Service"]

interface Stage {
  readonly store: Store
  readonly key: string
  /** One more store from the same layer, which sees the same keys. */
  readonly another: Effect.Effect<Store, unknown, Scope.Scope>
}

/**
 * Registers the laws of `RateLimiterStore` as one suite. `shared`: stores that are built from the layer one after another see the same
 * keys.
 *
 * @category laws
 * @since 0.1.0
 */
export const rateLimiterLaws = <E>(
  name: string,
  layer: Layer.Layer<RateLimiterStore.RateLimiterStore, E>,
  { shared }: { readonly shared?: true } = {}
): void => {
  const law = (title: string, body: (stage: Stage) => Effect.Effect<unknown, unknown, Scope.Scope>) =>
    it.live(title, () =>
      Effect.scoped(Effect.gen(function*() {
        const another = Effect.map(Layer.build(Layer.fresh(layer)), Context.get(Stores.RateLimiterStore))
        yield* body({ store: yield* another, key: unique(), another })
      })), { timeout: 120_000 })
  const window: RateMachine.Rule = { algorithm: "window", limit: 3, per: 60_000, burst: 3 }
  const gcra: RateMachine.Rule = { algorithm: "gcra", limit: 60, per: 60_000, burst: 2 }
  const ask = { cost: 1, patience: 0 }

  describe(`${name} keeps the laws of RateLimiterStore`, () => {
    law("so many go, and the next one is told when", ({ key, store }) =>
      Effect.gen(function*() {
        const all = yield* Effect.forEach([1, 2, 3, 4], () => store.reserve({ ...ask, key, rule: window }))
        assert.deepStrictEqual(all.map(({ _tag }) => _tag), ["Granted", "Granted", "Granted", "Refused"])
        const last = all[3]
        if (last?._tag === "Refused") {
          assert.isAbove(last.retryAfter, 30_000)
          assert.isAtMost(last.retryAfter, 60_000)
        }
      }))

    law("keys are counted apart", ({ key, store }) =>
      Effect.gen(function*() {
        yield* store.reserve({ ...ask, key, rule: window, cost: 3 })
        const other = yield* store.reserve({ ...ask, key: `${key}/other`, rule: window, cost: 3 })
        assert.strictEqual(other._tag, "Granted")
      }))

    law("a turn that goes back is there for another", ({ key, store }) =>
      Effect.gen(function*() {
        const rules = [window, gcra] as const
        for (const rule of rules) {
          const request = { ...ask, key: `${key}/${rule.algorithm}`, rule }
          const most = rule.algorithm === "window" ? 3 : 2
          const first = yield* store.reserve({ ...request, cost: most })
          assert.strictEqual((yield* store.reserve(request))._tag, "Refused")
          if (first._tag === "Granted") yield* store.refund({ ...request, cost: 1 }, first.at)
          assert.strictEqual((yield* store.reserve(request))._tag, "Granted")
          assert.strictEqual((yield* store.reserve(request))._tag, "Refused")
        }
      }))

    law("who is patient is given the next turns one behind the other", ({ key, store }) =>
      Effect.gen(function*() {
        const request = { key, rule: gcra, cost: 1, patience: 10_000 }
        const waits: Array<number> = []
        for (let call = 0; call < 5; call++) {
          const decision = yield* store.reserve(request)
          waits.push(decision._tag === "Granted" ? Math.ceil(decision.wait / 1000) : -1)
        }
        assert.deepStrictEqual(waits, [0, 0, 1, 2, 3])
      }))

    if (shared === true) {
      law("stores share what they count", ({ another, key, store }) =>
        Effect.gen(function*() {
          const other = yield* another
          yield* store.reserve({ ...ask, key, rule: window, cost: 2 })
          assert.strictEqual((yield* other.reserve({ ...ask, key, rule: window }))._tag, "Granted")
          assert.strictEqual((yield* store.reserve({ ...ask, key, rule: window }))._tag, "Refused")
        }))

      law(
        "turns that are fetched many at a time are never more than the limit, over all who fetch",
        ({ another, key, store }) =>
          Effect.gen(function*() {
            const options = { name: key, limit: 100, per: "1 minute", batch: 8 } as const
            const stores = [store, yield* another, yield* another]
            const counts = yield* inTime(
              "all are refused",
              Effect.forEach(stores, (store) =>
                Effect.gen(function*() {
                  const limiter = yield* RateLimiter.leased(options)
                  let granted = 0
                  const worker = Effect.gen(function*() {
                    while ((yield* Effect.result(limiter.take()))._tag === "Success") granted++
                  })
                  yield* Effect.all([worker, worker, worker], { concurrency: "unbounded" })
                  return granted
                }).pipe(Effect.provideService(Stores.RateLimiterStore, store)), { concurrency: "unbounded" })
            )
            assert.strictEqual(counts.reduce((sum, count) => sum + count, 0), 100)
          })
      )
    }
  })
}
