import { assert, describe, it } from "@effect/vitest"
import { NatsBroker } from "@heddle/nats"
import { RedisBroker } from "@heddle/redis"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { Broker } from "heddle/messaging"
import { inject } from "vitest"
import { database, scene } from "./main.ts"
import * as Memory from "./memory.ts"

describe("of each payment that was committed is told, and of none that was rolled back", () => {
  const layers: Readonly<Record<string, Layer.Layer<Broker.Broker, Error>>> = {
    memory: Memory.layer,
    nats: NatsBroker.layer({ servers: [inject("natsUrl")] }),
    redis: RedisBroker.layer({ url: inject("redisUrl"), prefix: "example-43" })
  }
  for (const [backend, layer] of Object.entries(layers)) {
    it.live(`on ${backend}`, () =>
      Effect.gen(function*() {
        const all = Effect.provide(scene, [layer, database(inject("postgresUrl"))])
        const { paid, told } = yield* Effect.timeout(all, "100 seconds")
        assert.deepStrictEqual(paid, Array.from({ length: 50 }, (_, n) => n + 1).filter((order) => order % 5 !== 0))
        assert.deepStrictEqual(told.toSorted((one, other) => one - other), paid)
      }))
  }
})
