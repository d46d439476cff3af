import { assert, describe, it } from "@effect/vitest"
import { EtcdLeaseStore } from "@heddle/etcd"
import { PostgresLeaseStore } from "@heddle/postgres"
import { RedisLeaseStore } from "@heddle/redis"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { Membership } from "heddle/coordination"
import { inject } from "vitest"
import { scene } from "./main.ts"
import * as Memory from "./memory.ts"

describe("all see the same owners, and the shards of who left are all that moves", () => {
  const layers: Readonly<Record<string, Layer.Layer<Membership.Needs, Error>>> = {
    memory: Memory.layer,
    redis: RedisLeaseStore.layer({ url: inject("redisUrl") }),
    etcd: EtcdLeaseStore.layer({ url: inject("etcdUrl") }),
    postgres: PostgresLeaseStore.layer({ url: inject("postgresUrl") })
  }
  for (const [backend, layer] of Object.entries(layers)) {
    it.live(`on ${backend}`, () =>
      Effect.gen(function*() {
        const { after, before } = yield* Effect.timeout(Effect.provide(scene, layer), "100 seconds")
        const [was, ...alsoWas] = before
        const [is, ...alsoIs] = after
        for (const other of alsoWas) assert.deepStrictEqual(other, was)
        for (const other of alsoIs) assert.deepStrictEqual(other, is)
        assert.strictEqual(was.size, 12)
        for (const [shard, owner] of was) {
          assert.include(["ada", "ben", "cleo"], owner)
          if (owner === "cleo") assert.include(["ada", "ben"], is.get(shard))
          else assert.strictEqual(is.get(shard), owner)
        }
      }))
  }
})
