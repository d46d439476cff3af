import { assert, describe, it } from "@effect/vitest"
import { EtcdKvStore } from "@heddle/etcd"
import { PostgresKvStore } from "@heddle/postgres"
import { RedisKvStore } from "@heddle/redis"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { KvStore } from "heddle/coordination"
import { inject } from "vitest"
import { scene } from "./main.ts"

describe("nobody begins a phase before all have ended the last, and the judge has all reports", () => {
  const layers: Readonly<Record<string, Layer.Layer<KvStore.KvStore, Error>>> = {
    memory: KvStore.layerMemory,
    redis: RedisKvStore.layer({ url: inject("redisUrl") }),
    etcd: EtcdKvStore.layer({ url: inject("etcdUrl") }),
    postgres: PostgresKvStore.layer({ url: inject("postgresUrl") })
  }
  for (const [backend, layer] of Object.entries(layers)) {
    it.live(`on ${backend}`, () =>
      Effect.gen(function*() {
        const { begun, judged } = yield* Effect.timeout(Effect.provide(scene("in-step"), layer), "20 seconds")
        const of = (phase: string) => Array.from({ length: 4 }, () => phase)
        assert.deepStrictEqual(begun, [...of("connect"), ...of("load"), ...of("cool down")])
        assert.strictEqual(judged, 4)
      }))
  }
})
