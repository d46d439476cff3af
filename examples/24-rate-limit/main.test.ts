import { assert, describe, it } from "@effect/vitest"
import { RedisRateLimiterStore } from "@heddle/redis"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { RateLimiterStore } from "heddle/resilience"
import { inject } from "vitest"
import { scene } from "./main.ts"
import * as Memory from "./memory.ts"

describe("a greedy customer gets its limit and not one call more, and the modest one all it asks for (AC-E4)", () => {
  const layers: Readonly<Record<string, Layer.Layer<RateLimiterStore.RateLimiterStore, Error>>> = {
    memory: Memory.layer,
    redis: RedisRateLimiterStore.layer({ url: inject("redisUrl") })
  }
  for (const [backend, layer] of Object.entries(layers)) {
    it.live(`on ${backend}`, () =>
      Effect.gen(function*() {
        const counts = yield* Effect.timeout(Effect.provide(scene("example"), layer), "20 seconds")
        assert.deepStrictEqual(counts, { greedy: 20, refused: 180, modest: 10 })
      }))
  }
})
