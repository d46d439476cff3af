import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { scene } from "./main.ts"

const tokenOf = (line = "") => BigInt(/^runs (\d+)$/.exec(line)?.[1] ?? "0")

describe("of a fleet one migrates; when it dies another begins anew, and all get the result", () => {
  for (const backend of ["memory", "redis", "etcd", "postgres"]) {
    it.live(`on ${backend}`, () =>
      Effect.gen(function*() {
        const [first, second, ...done] = yield* Effect.timeout(scene(backend), "40 seconds")
        assert.notStrictEqual(first?.worker, second?.worker)
        assert.isTrue(tokenOf(first?.line) > 0n && tokenOf(second?.line) > tokenOf(first?.line))
        assert.deepStrictEqual(done.map(({ line }) => line), ["done 4711", "done 4711"])
      }), 120_000)
  }
})
