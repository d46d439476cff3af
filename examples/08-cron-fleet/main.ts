// Three processes have the same schedule; each tick runs on one of them, and goes on when that one is gone.
//   node --conditions=@heddle/source examples/08-cron-fleet/main.ts [memory | redis <url> | etcd <url> | postgres <url>]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { Cron } from "heddle/coordination"
import { fileURLToPath } from "node:url"

/** A tick, and who ran it. */
export interface Ran {
  readonly at: string
  readonly worker: string
}

/** What every process of the fleet starts. */
const cleanUp = (worker: string, ran: Queue.Queue<Ran>) =>
  Cron.run({ name: "clean-up", schedule: "* * * * * *", owner: worker })(({ at }) =>
    Queue.offer(ran, { at: DateTime.formatIso(at), worker })
  )

/** Ticks of a fleet whose leader dies after the second: two of the one, two of the next. */
export const scene = Effect.gen(function*() {
  const ran = yield* Queue.unbounded<Ran>()
  const fleet = new Map<string, Fiber.Fiber<never, Cron.CronError>>()
  for (const worker of ["ann", "bob", "cleo"]) fleet.set(worker, yield* Effect.forkScoped(cleanUp(worker, ran)))
  const ticks = [yield* Queue.take(ran), yield* Queue.take(ran)]
  const leader = fleet.get(ticks[1]?.worker ?? "")
  if (leader !== undefined) yield* Fiber.interrupt(leader)
  ticks.push(yield* Queue.take(ran), yield* Queue.take(ran))
  return ticks
}).pipe(Effect.scoped)

/** Where the schedule is kept. Only the one that is asked for is loaded. */
export const backends: Readonly<
  Record<string, () => Promise<{ readonly layer: (url: string) => Layer.Layer<Cron.Needs, Error> }>>
> = {
  memory: () => import("./memory.ts"),
  redis: () => import("./redis.ts"),
  etcd: () => import("./etcd.ts"),
  postgres: () => import("./postgres.ts")
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const backend = process.argv[2] ?? "memory"
  const url = process.argv[3] ?? process.env[`HEDDLE_${backend.toUpperCase()}_URL`] ?? ""
  const load = backends[backend] ??
    (() => Promise.reject(new Error(`${Object.keys(backends).join(" or ")}, not ${backend}`)))
  NodeRuntime.runMain(Effect.gen(function*() {
    const { layer } = yield* Effect.promise(load)
    for (const { at, worker } of yield* Effect.provide(scene, layer(url))) yield* Console.log(`${at} ran on ${worker}`)
  }))
}
