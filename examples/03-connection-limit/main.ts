// Ten workers share three connections, and a report needs all of them for a moment.
//   node --conditions=@heddle/source examples/03-connection-limit/main.ts [memory|redis|etcd]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { DistributedSemaphore } from "heddle/coordination"
import { fileURLToPath } from "node:url"

const connections = DistributedSemaphore.make({ key: "database", permits: 3, ttl: "2 seconds" })

/** What the workers came to: how many were done, and the most that were connected at a time. */
export const scene = Effect.gen(function*() {
  let open = 0
  let most = 0
  let done = 0
  const query = Effect.acquireUseRelease(
    Effect.sync(() => {
      most = Math.max(most, ++open)
    }),
    () => Effect.sleep("5 millis"),
    () => Effect.sync(() => open--)
  )
  const worker = Effect.tap(connections.withPermit(query), () => Effect.sync(() => done++))
  // A report needs all connections for a moment: nobody who comes later gets past it.
  const report = connections.withPermits(3)(Effect.void)
  yield* Effect.all([...Array.from({ length: 10 }, () => worker), report], { concurrency: "unbounded" })
  return { done, most, free: yield* connections.withPermits(3)((all) => Effect.succeed(all.permits)) }
})

/** Where the permits can live. Only the one that is asked for is loaded. */
export const backends: Readonly<
  Record<string, () => Promise<{ readonly layer: Layer.Layer<DistributedSemaphore.Needs, Error> }>>
> = {
  memory: () => import("./memory.ts"),
  redis: () => import("./redis.ts"),
  etcd: () => import("./etcd.ts")
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const backend = process.argv[2] ?? "memory"
  const load = backends[backend] ?? (() => Promise.reject(new Error(`memory, redis or etcd, not ${backend}`)))
  const program = Effect.gen(function*() {
    const { layer } = yield* Effect.promise(load)
    const { done, free, most } = yield* Effect.provide(scene, layer)
    yield* Console.log(`${done} workers are done; at most ${most} of 3 connections were open; ${free} are free`)
  })
  NodeRuntime.runMain(program)
}
