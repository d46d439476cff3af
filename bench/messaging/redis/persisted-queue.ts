/** Effect's `PersistedQueue` on Redis. It has no way to enqueue many at once. */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Scope from "effect/Scope"
import { concurrency, type Connect, opening, Payload } from "../Queue.ts"

export const connect: Connect = async (url, done) => {
  const stores = PersistedQueue.layer.pipe(
    Layer.provide(PersistedQueue.layerStoreRedis({})),
    Layer.provide(NodeRedis.layer({ url }))
  )
  const context = await Effect.runPromise(Layer.buildWithScope(stores, Scope.makeUnsafe()))
  const make = PersistedQueue.make({ name: "bench", schema: Payload })
  const queue = await Effect.runPromiseWith(context)(make)
  if (done !== undefined) {
    const work = Effect.forever(queue.take((payload) => Effect.sync(() => done(payload))))
    for (let at = 0; at < concurrency; at++) Effect.runFork(work)
  }
  return {
    many: (payloads) =>
      Effect.runPromise(
        Effect.forEach(payloads, (payload) => queue.offer(payload), { concurrency: "unbounded", discard: true })
      ),
    one: (payload) => Effect.runPromise(queue.offer(payload))
  }
}
export const open = opening(connect, import.meta.url)
