import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { inject } from "vitest"
import { backends, scene } from "./main.ts"

const addresses = { memory: "", redis: inject("redisUrl"), etcd: inject("etcdUrl"), postgres: inject("postgresUrl") }

describe("each tick runs on one process, and another goes on when that one is gone", () => {
  for (const [backend, url] of Object.entries(addresses)) {
    it.live(`on ${backend}`, () =>
      Effect.gen(function*() {
        const load = backends[backend]
        if (load === undefined) return assert.fail(`no backend ${backend}`)
        const { layer } = yield* Effect.promise(load)
        const ticks = yield* Effect.timeout(Effect.provide(scene, layer(url)), "100 seconds")
        const times = ticks.map(({ at }) => at)
        assert.deepStrictEqual(times, [...new Set(times)].toSorted())
        const [one, same, other, others] = ticks.map(({ worker }) => worker)
        assert.deepStrictEqual([same, others], [one, other])
        assert.notStrictEqual(one, other)
      }), 40_000)
  }
})
