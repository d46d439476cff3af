import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { DistributedLock, Lease, LeaseStore } from "heddle/coordination"

const given = (value: string | undefined) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown(value === undefined ? {} : { HEDDLE_LEASES: value }))

/** Which addresses the loaders were called with. */
const make = () => {
  const loaded: Array<string> = []
  const loader = (url: Redacted.Redacted<string>) => {
    loaded.push(Redacted.value(url))
    return Promise.resolve(LeaseStore.layerMemory)
  }
  const leases = LeaseStore.layerConfig({ redis: loader, etcd: loader })
  const held = (value: string | undefined) =>
    DistributedLock.withLock("key")(Effect.succeed("held")).pipe(
      Effect.provide(Layer.fresh(leases)),
      Effect.provide(given(value))
    )
  return { held, loaded }
}

describe("LeaseStore.layerConfig", () => {
  it.effect("loads the store that the variable names, and no other", () =>
    Effect.gen(function*() {
      const { held, loaded } = make()
      assert.strictEqual(yield* held("memory"), "held")
      assert.deepStrictEqual(loaded, [])
      assert.strictEqual(yield* held("etcd://a:1,b:2"), "held")
      assert.deepStrictEqual(loaded, ["etcd://a:1,b:2"])
    }))

  it.effect("AC-45.2 names the valid values where the value is wrong, without the value", () =>
    Effect.gen(function*() {
      const { held, loaded } = make()
      const wrong = ["memroy", "memory://", "redis", "rediss://user:secret@host", "constructor://x", "://x"]
      for (const value of wrong) {
        const error = yield* Effect.flip(held(value))
        assert.deepInclude(error, { _tag: "UnknownBackend" })
        assert.strictEqual(
          "message" in error ? error.message : "",
          "HEDDLE_LEASES must be one of memory, redis://…, etcd://…"
        )
        assert.notInclude(JSON.stringify(error), "secret")
      }
      assert.deepStrictEqual(loaded, [])
    }))

  it.effect("fails where the variable is missing", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(make().held(undefined)), { _tag: "ConfigError" })
    }))

  it.effect("AC-45.2 fails with the error of the store that cannot be built", () =>
    Effect.gen(function*() {
      const error = new Lease.StoreUnavailable({ backend: "redis", message: "no address" })
      const broken = Layer.effect(LeaseStore.LeaseStore, Effect.fail(error))
      const leases = LeaseStore.layerConfig({ redis: () => Promise.resolve(broken) })
      const built = yield* Effect.flip(Layer.build(leases).pipe(Effect.provide(given("redis://x"))))
      assert.strictEqual(built, error)
    }))
})
