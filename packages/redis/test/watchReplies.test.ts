import { assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import { Redis, type RedisOptions } from "ioredis"
import { watchReplies } from "../src/internal/watchReplies.ts"

const watched = (url: string, timeout: number, options: Pick<RedisOptions, "autoResendUnfulfilledCommands"> = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const client = new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: null, ...options })
      client.on("error", () => {})
      watchReplies(client, timeout)
      return client
    }),
    (client) => Effect.sync(() => client.disconnect())
  )

const inTime = Effect.timeout("10 seconds")
const whyNot = (promise: () => Promise<unknown>) =>
  inTime(Effect.flip(Effect.tryPromise({ try: promise, catch: String })))

describe("watchReplies", () => {
  it.live("fails a command that cannot be sent for so long, and those that come after it", () =>
    Effect.gen(function*() {
      const client = yield* watched("redis://127.0.0.1:1", 200)
      assert.include(yield* whyNot(() => client.ping()), "command timed out")
      assert.include(yield* whyNot(() => client.ping()), "command timed out")
    }))

  it.live("replaces a connection on which nothing comes back, and leaves one alone that owes nothing", () =>
    Effect.gen(function*() {
      const { url } = yield* Servers.redis
      const [client, idle] = [
        yield* watched(url, 1000, { autoResendUnfulfilledCommands: false }),
        yield* watched(url, 1000)
      ]
      yield* inTime(Effect.promise(() => Promise.all([client.ping(), idle.ping()])))
      let closed = 0
      idle.on("close", () => closed++)
      for (let round = 0; round < 2; round++) {
        const replaced = new Promise((resolve) => client.once("close", resolve))
        client.blpop("nothing", 0).catch(() => {})
        yield* inTime(Effect.promise(() => replaced))
        assert.strictEqual(yield* inTime(Effect.promise(() => client.ping())), "PONG")
      }
      assert.strictEqual(closed, 0)
      assert.strictEqual(yield* inTime(Effect.promise(() => idle.ping())), "PONG")
    }))
})
