import { assert, describe, it } from "@effect/vitest"
import { NatsBroker } from "@heddle/nats"
import { RedisBroker } from "@heddle/redis"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { Broker } from "heddle/messaging"
import { inject } from "vitest"
import { scene } from "./main.ts"
import * as Memory from "./memory.ts"

describe("what is seen and what is missed are together what was published", () => {
  const layers: Readonly<Record<string, Layer.Layer<Broker.Broker, Error>>> = {
    memory: Memory.layer,
    nats: NatsBroker.layer({ servers: [inject("natsUrl")] }),
    redis: RedisBroker.layer({ url: inject("redisUrl"), prefix: "example-42" })
  }
  for (const [backend, layer] of Object.entries(layers)) {
    it.live(`on ${backend}`, () =>
      Effect.gen(function*() {
        const { board, chart, ledger } = yield* Effect.timeout(Effect.provide(scene, layer), "100 seconds")
        assert.deepStrictEqual(ledger, { seen: Array.from({ length: 100 }, (_, n) => n + 1), missed: 0 })
        for (const { missed, seen } of [board, chart]) {
          assert.strictEqual(seen.length + missed, 100)
          assert.strictEqual(seen.at(-1), 100)
          assert.deepStrictEqual(seen, seen.toSorted((a, b) => a - b))
        }
      }))
  }
})
