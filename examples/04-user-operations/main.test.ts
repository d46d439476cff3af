import { assert, describe, it } from "@effect/vitest"
import { EtcdLeaseStore } from "@heddle/etcd"
import { PostgresLeaseStore } from "@heddle/postgres"
import { RedisLeaseStore } from "@heddle/redis"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { ReadWriteLock } from "heddle/coordination"
import { inject } from "vitest"
import { scene } from "./main.ts"
import * as Memory from "./memory.ts"

describe("no statement sees half of a transfer, and statements of one user are read at once", () => {
  const layers: Readonly<Record<string, Layer.Layer<ReadWriteLock.Needs, Error>>> = {
    memory: Memory.layer,
    redis: RedisLeaseStore.layer({ url: inject("redisUrl") }),
    etcd: EtcdLeaseStore.layer({ url: inject("etcdUrl") }),
    postgres: PostgresLeaseStore.layer({ url: inject("postgresUrl") })
  }
  for (const [backend, layer] of Object.entries(layers)) {
    it.live(`on ${backend}`, () =>
      Effect.gen(function*() {
        const { balances, most, torn } = yield* Effect.timeout(Effect.provide(scene, layer), "100 seconds")
        assert.deepStrictEqual(balances, ["20 + 80", "20 + 80", "20 + 80", "20 + 80"])
        assert.strictEqual(torn, 0)
        assert.isAbove(most, 1)
      }))
  }
})
