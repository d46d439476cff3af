// Prices change quickly. A board shows the newest, a ledger must have each, and a chart can be slow: each says what it wants.
//   node --conditions=@heddle/source examples/42-fan-out-events/main.ts [memory|nats|redis]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type Broker, Topic } from "heddle/messaging"
import { fileURLToPath } from "node:url"

const prices = Topic.make({ name: "prices", payload: Schema.Struct({ item: Schema.String, cents: Schema.Int }) })
const changes = 100

/** What a subscriber saw, and how many changes it was told that it missed. */
const watch = <R>({ events }: Topic.Subscription<{ readonly cents: number }, R>, pause: number) =>
  Effect.gen(function*() {
    const seen: Array<number> = []
    let missed = 0
    yield* events.pipe(
      Stream.runForEach((event) =>
        Effect.gen(function*() {
          if (event._tag === "Message") seen.push(event.value.cents)
          else if (event.cause === "SlowSubscriber") missed += event.lost
          if (pause > 0) yield* Effect.sleep(pause)
        })
      ),
      // The last change is never the oldest: all see it.
      Effect.raceFirst(Effect.repeat(Effect.sleep("5 millis"), { until: () => seen.at(-1) === changes }))
    )
    return { seen, missed }
  })

/** What each of the three came to. */
export const scene = Effect.gen(function*() {
  const ledger = yield* prices.subscribe({ at: "*", buffer: Infinity })
  const board = yield* prices.subscribe({ at: "tea", buffer: 1 })
  const chart = yield* prices.subscribe({ at: ">", buffer: 10 })
  const cents = Array.from({ length: changes }, (_, n) => n + 1)
  const publish = Effect.forEach(cents, (cents) => prices.publish({ item: "tea", cents }, { at: "tea" }))
  const [, ...all] = yield* Effect.all([publish, watch(ledger, 0), watch(board, 0), watch(chart, 2)], {
    concurrency: "unbounded"
  })
  const [ledgerSaw, boardSaw, chartSaw] = all
  return { ledger: ledgerSaw, board: boardSaw, chart: chartSaw }
}).pipe(Effect.scoped)

/** Where the changes can pass. Only the one that is asked for is loaded. */
const backends: Readonly<Record<string, () => Promise<{ readonly layer: Layer.Layer<Broker.Broker, Error> }>>> = {
  memory: () => import("./memory.ts"),
  nats: () => import("./nats.ts"),
  redis: () => import("./redis.ts")
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const backend = process.argv[2] ?? "memory"
  const load = backends[backend] ?? (() => Promise.reject(new Error(`memory, nats or redis, not ${backend}`)))
  NodeRuntime.runMain(Effect.gen(function*() {
    const { layer } = yield* Effect.promise(load)
    const saw = yield* Effect.provide(scene, layer)
    for (const [name, { missed, seen }] of Object.entries(saw)) {
      yield* Console.log(`the ${name} saw ${seen.length} changes and missed ${missed}; the last was ${seen.at(-1)}`)
    }
  }))
}
