import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { inject } from "vitest"
import { layerOf } from "./backends.ts"
import { scene } from "./main.ts"

const addresses = { memory: "", redis: inject("redisUrl"), etcd: inject("etcdUrl"), postgres: inject("postgresUrl") }

describe("all are told each change once and in order, and nonsense changes nothing", () => {
  for (const [backend, url] of Object.entries(addresses)) {
    it.live(`on ${backend}`, () =>
      Effect.gen(function*() {
        const layer = yield* Effect.promise(() => layerOf(backend, url))
        const told = yield* Effect.timeout(Effect.provide(scene, layer), "100 seconds")
        assert.deepStrictEqual(told.map(([line]) => line), [
          `{"banner":"welcome","perPage":20}`,
          `{"banner":"sale","perPage":50}`,
          `not understood, nothing changes: {"perPage":"many"}`,
          `{"banner":"sale","perPage":100}`,
          `{"banner":"welcome","perPage":20}`
        ])
        for (const lines of told) assert.deepStrictEqual(lines, lines.map(() => lines[0] ?? ""))
      }))
  }
})
