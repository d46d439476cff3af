import { afterAll, assert, describe, it } from "@effect/vitest"
import { allJobAbilities, jobStoreLaws } from "@heddle/testkit/laws"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { JobStore } from "heddle/messaging"
import { Redis } from "ioredis"
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

  it.live("a job is told of to those alone who have asked for its outcome", () =>
    Effect.gen(function*() {
      const store = yield* JobStore.JobStore
      const results = yield* JobStore.JobResults
      const queue = randomUUID()
      const heard = yield* Queue.unbounded<string>()
      const listener = yield* Effect.acquireRelease(
        Effect.sync(() => new Redis(server.url)),
        (client) => Effect.sync(() => client.disconnect())
      )
      listener.on("pmessage", (_pattern: string, channel: string) => Queue.offerUnsafe(heard, channel))
      yield* Effect.promise(() => listener.psubscribe(`heddle:jobs:{${queue}}:job:*`))
      yield* store.enqueue(queue, ["alone", "followed"].map((id) => ({ id, keep: 0, payload: Uint8Array.of(1) })))
      const [alone, followed] = yield* store.claim(queue, { max: 2 })
      if (alone === undefined || followed === undefined) return assert.fail()
      yield* results.report(alone, Uint8Array.of(1))
      yield* store.settle(alone, { _tag: "Completed" })
      // The first event proves that the store has been asked.
      yield* results.report(followed, Uint8Array.of(1))
      const asked = yield* Deferred.make<void>()
      const following = results.follow(queue, "followed").pipe(
        Stream.tap(() => Deferred.succeed(asked, undefined)),
        Stream.runCollect
      )
      const fiber = yield* Effect.forkChild(following)
      yield* Deferred.await(asked)
      yield* store.settle(followed, { _tag: "Completed", result: Uint8Array.of(7) })
      assert.strictEqual(yield* Queue.take(heard), `heddle:jobs:{${queue}}:job:followed`)
      assert.deepStrictEqual((yield* Fiber.join(fiber)).at(-1), {
        _tag: "Ended",
        outcome: { _tag: "Completed", result: Uint8Array.of(7) }
      })
      assert.strictEqual(yield* Queue.size(heard), 0)
    }).pipe(Effect.scoped, Effect.provide(RedisJobStore.layer({ url: server.url }))))

  it.live("who waits hears that a claim ends earlier than all before, and than it looks again", () =>
    Effect.gen(function*() {
      const store = yield* JobStore.JobStore
      const queue = randomUUID()
      const heard = yield* Queue.unbounded<string>()
      const client = yield* Effect.acquireRelease(
        Effect.sync(() => new Redis(server.url)),
        (client) => Effect.sync(() => client.disconnect())
      )
      const listener = yield* Effect.acquireRelease(
        Effect.sync(() => client.duplicate()),
        (client) => Effect.sync(() => client.disconnect())
      )
      listener.on("message", (channel: string) => Queue.offerUnsafe(heard, channel))
      yield* Effect.promise(() => listener.subscribe(`heddle:jobs:{${queue}}:news`))
      const claim = (ttl: Duration.Input) => {
        const both = [
          store.enqueue(queue, [{ payload: Uint8Array.of(1) }]),
          store.claim(queue, { ttl, waitFor: 0 })
        ] as const
        return Effect.all(both, { concurrency: "unbounded" })
      }
      // Nobody waits who could be told.
      const [, [first]] = yield* claim("1 second")
      if (first === undefined) return assert.fail()
      yield* store.settle(first, { _tag: "Completed" })
      yield* Effect.forkScoped(store.claim(queue, { waitFor: Infinity, ttl: "1 minute" }))
      yield* Effect.repeat(Effect.promise(() => client.zcard(`heddle:jobs:{${queue}}:waiting`)), {
        until: (many) => many === 1,
        schedule: Schedule.spaced(5)
      })
      yield* claim("1 minute")
      assert.strictEqual(yield* Queue.size(heard), 0)
      yield* claim("500 millis")
      yield* Queue.take(heard)
    }).pipe(Effect.scoped, Effect.provide(RedisJobStore.layer({ url: server.url }))))
})
