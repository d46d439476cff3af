import { FaultProxy, Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import { Redis } from "ioredis"

/** A server, a proxy in front of it that can be told to break, and a connection beside the proxy. */
export const make = Effect.gen(function*() {
  const server = yield* Servers.redis
  const proxy = yield* FaultProxy.make(server)
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const client = new Redis(server.url)
      client.on("error", () => {})
      return client
    }),
    (client) => Effect.sync(() => client.disconnect())
  )
  const admin = <A>(use: (client: Redis) => Promise<A>): Effect.Effect<A> => Effect.promise(() => use(client))
  return { server, proxy, url: `redis://127.0.0.1:${proxy.port}`, admin }
})
