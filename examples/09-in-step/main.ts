// A load test in three phases: no client begins one before all are done with the last, and the judge waits until all have reported.
//   node --conditions=@heddle/source examples/09-in-step/main.ts [memory|redis|etcd|postgres]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { Barrier, CountDownLatch } from "heddle/coordination"
import type { KvStore } from "heddle/coordination"
import { fileURLToPath } from "node:url"

const clients = ["ada", "ben", "cleo", "dan"]
const phases = ["connect", "load", "cool down"]

/** Who began which phase in which order, and what the judge found. */
export const scene = (test: string) => {
  const inStep = Barrier.make({ key: `${test}/phase`, parties: clients.length })
  const reported = CountDownLatch.make({ key: `${test}/reported`, count: clients.length, retention: "1 minute" })
  return Effect.gen(function*() {
    const begun: Array<string> = []
    let reports = 0
    const client = (name: string, place: number) =>
      Effect.gen(function*() {
        for (const phase of phases) {
          yield* inStep.await
          begun.push(phase)
          yield* Effect.sleep(place * 10) // some are slower
        }
        reports++
        yield* reported.countDown(name)
      })
    const judge = Effect.andThen(reported.await, Effect.sync(() => reports))
    const [judged] = yield* Effect.all([judge, ...clients.map(client)], { concurrency: "unbounded" })
    return { begun, judged }
  })
}

/** Where the barrier and the latch can live. Only the one that is asked for is loaded. */
const backends: Readonly<
  Record<string, () => Promise<{ readonly layer: Layer.Layer<KvStore.KvStore, Error> }>>
> = {
  memory: () => import("./memory.ts"),
  redis: () => import("./redis.ts"),
  etcd: () => import("./etcd.ts"),
  postgres: () => import("./postgres.ts")
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const backend = process.argv[2] ?? "memory"
  const load = backends[backend] ?? (() => Promise.reject(new Error(`memory, redis, etcd or postgres, not ${backend}`)))
  const program = Effect.gen(function*() {
    const { layer } = yield* Effect.promise(load)
    const { begun, judged } = yield* Effect.provide(scene(`load-test/${Date.now()}`), layer)
    yield* Console.log(begun.join(", "))
    yield* Console.log(`the judge had ${judged} reports when it began`)
  })
  NodeRuntime.runMain(program)
}
