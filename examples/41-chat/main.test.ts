import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { inject } from "vitest"
import { scene, type Server } from "./main.ts"
import * as Memory from "./memory.ts"
import * as Postgres from "./postgres.ts"
import * as Redis from "./redis.ts"

type Servers = Effect.Effect<readonly [Server, Server, Server], Error, Scope.Scope>

describe("what is posted at one server reaches those at each once, in the order of its sender (AC-E2)", () => {
  const backends: Readonly<Record<string, Servers>> = {
    memory: Memory.servers(),
    redis: Redis.servers(inject("redisUrl")),
    postgres: Postgres.servers(inject("postgresUrl"))
  }
  for (const [backend, servers] of Object.entries(backends)) {
    it.live(`on ${backend}`, () =>
      Effect.gen(function*() {
        const views = yield* Effect.timeout(scene("example", yield* servers), "20 seconds")
        for (const { gaps, heard, present } of views) {
          assert.deepStrictEqual(present, ["ann", "bob", "cat"])
          assert.strictEqual(gaps, 0)
          const said = Array.from({ length: 20 }, (_, n) => `${n}`)
          for (const who of present) {
            const from = heard.filter((line) => line.startsWith(`${who}: `))
            assert.deepStrictEqual(from, said.map((text) => `${who}: ${text}`))
          }
          assert.deepStrictEqual(heard.filter((line) => line.startsWith("dan")), ["dan: hello"])
        }
      }).pipe(Effect.scoped))
  }
})
