import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { scene } from "./main.ts"

describe("the next leader takes over from one that died, with a higher term", () => {
  for (const backend of ["memory", "redis", "etcd"]) {
    it.live(`on ${backend}`, () =>
      Effect.gen(function*() {
        const { first, second } = yield* Effect.timeout(scene(backend), "40 seconds")
        assert.notStrictEqual(first.worker, second.worker)
        assert.isTrue(second.term > first.term)
      }), 120_000)
  }
})
