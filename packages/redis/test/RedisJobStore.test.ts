import { afterAll, assert, describe, it } from "@effect/vitest"
import { allJobAbilities, jobStoreLaws } from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { JobStore } from "heddle/messaging"
import { randomUUID } from "node:crypto"
import { RedisJobStore } from "../src/index.ts"
import * as RedisTest from "./RedisTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { proxy, server, url } = await Effect.runPromise(Scope.provide(RedisTest.make, scope))

jobStoreLaws("redis", RedisJobStore.layer({ url, commandTimeout: "2 seconds" }), {
  ...allJobAbilities,
  shared: true,
  leastTtl: 1000,
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
})

describe("RedisJobStore", () => {
  it.live("an id is free again for what travels with the end of its job", () =>
    Effect.gen(function*() {
      const store = yield* JobStore.JobStore
      const queue = randomUUID()
      const job = { id: "a", keep: 0, payload: Uint8Array.of(1) }
      yield* store.enqueue(queue, [job])
      const [claimed] = yield* store.claim(queue)
      if (claimed === undefined) return assert.fail()
      const both = [store.settle(claimed, { _tag: "Completed" }), store.enqueue(queue, [job])] as const
      assert.deepStrictEqual(
        yield* Effect.all(both, { concurrency: "unbounded" }),
        ["Completed", [{ id: "a", added: true }]]
      )
      assert.strictEqual((yield* store.claim(queue)).length, 1)
    }).pipe(Effect.scoped, Effect.provide(RedisJobStore.layer({ url: server.url }))))
})
