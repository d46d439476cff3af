import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { DistributedLock, LeaseAbility, LeaseStore } from "heddle/coordination"
import { describe, expectTypeOf, test } from "vitest"

declare const plain: Layer.Layer<LeaseStore.LeaseStore>
declare const quorum: Layer.Layer<LeaseStore.LeaseStore | LeaseAbility.SurvivesFailover>
declare const raft: Layer.Layer<LeaseStore.LeaseStore | LeaseAbility.All | LeaseAbility.SurvivesFailover>
const app = DistributedLock.withLock("key")(Effect.void).pipe(LeaseAbility.needs(LeaseAbility.Fenced))

describe("an app that needs an ability", () => {
  test("has it in its requirements", () => {
    expectTypeOf<Effect.Services<typeof app>>().toEqualTypeOf<LeaseStore.LeaseStore | LeaseAbility.Fenced>()
  })
  test("does not run on a layer without it", () => {
    const left = app.pipe(Effect.provide(plain))
    expectTypeOf<Effect.Services<typeof left>>().toEqualTypeOf<LeaseAbility.Fenced>()
  })
  test("runs on a layer that has it", () => {
    const left = app.pipe(Effect.provide(LeaseStore.layerMemory))
    expectTypeOf<Effect.Services<typeof left>>().toEqualTypeOf<never>()
  })
})

describe("a store that is chosen by configuration", () => {
  test("promises what all of the stores do that it may be", () => {
    const all = LeaseStore.layerConfig({ etcd: () => Promise.resolve(raft) })
    const left = app.pipe(Effect.provide(all))
    expectTypeOf<Effect.Services<typeof left>>().toEqualTypeOf<never>()
    const some = LeaseStore.layerConfig<LeaseStore.LeaseStore, never>({
      etcd: () => Promise.resolve(raft),
      redlock: () => Promise.resolve(quorum)
    })
    const needy = app.pipe(Effect.provide(some))
    expectTypeOf<Effect.Services<typeof needy>>().toEqualTypeOf<LeaseAbility.Fenced>()
  })
})
