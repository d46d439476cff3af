import { assert, describe, it } from "@effect/vitest"
import { EtcdLeaseStore } from "@heddle/etcd"
import { RedisLeaseStore } from "@heddle/redis"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { DistributedSemaphore } from "heddle/coordination"
import { inject } from "vitest"
import { scene } from "./main.ts"
import * as Memory from "./memory.ts"

describe("no more than three are connected, all get their turn, and all connections are free again", () => {
  const layers: Readonly<Record<string, Layer.Layer<DistributedSemaphore.Needs, Error>>> = {
    memory: Memory.layer,
    redis: RedisLeaseStore.layer({ url: inject("redisUrl") }),
    etcd: EtcdLeaseStore.layer({ url: inject("etcdUrl") })
  }
  for (const [backend, layer] of Object.entries(layers)) {
    it.live(`on ${backend}`, () =>
      Effect.gen(function*() {
        const { done, free, most } = yield* Effect.timeout(Effect.provide(scene, layer), "100 seconds")
        assert.strictEqual(done, 10)
        assert.isAtMost(most, 3)
        assert.strictEqual(free, 3)
      }))
  }
})
