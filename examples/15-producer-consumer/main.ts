// Five producers put jobs into one bounded queue and three consumers take them, with what Effect has: no module needed.
//   node --conditions=@heddle/source examples/15-producer-consumer/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import { fileURLToPath } from "node:url"

const all = { concurrency: "unbounded", discard: true } as const

/** Each of the producers puts in what it has; when all are done the queue ends, and when one fails it fails. */
export const produce = <E>(
  queue: Queue.Queue<number, E | Cause.Done>,
  producers: ReadonlyArray<ReadonlyArray<Effect.Effect<number, E>>>
) =>
  Queue.into(queue)(Effect.forEach(
    producers,
    (jobs) => Effect.forEach(jobs, (job) => Effect.flatMap(job, (n) => Queue.offer(queue, n)), { discard: true }),
    all
  ))

/** Takes one job after another until the queue ends. Only what is worked on is in its hands. */
export const consume = <A, E, E2>(
  queue: Queue.Dequeue<A, E | Cause.Done>,
  work: (job: A) => Effect.Effect<unknown, E2>
) => Pull.catchDone(Effect.forever(Effect.flatMap(Queue.take(queue), work)), () => Effect.void)

/** Who did which jobs. */
export const scene = Effect.gen(function*() {
  const queue = yield* Queue.bounded<number, Cause.Done>(4)
  const producers = [0, 1, 2, 3, 4].map((lane) => [0, 1, 2, 3, 4].map((n) => Effect.succeed(lane * 5 + n)))
  const shares: Array<Array<number>> = [[], [], []]
  const consumers = shares.map((share) =>
    consume(queue, (job) => Effect.andThen(Effect.sleep("1 milli"), Effect.sync(() => share.push(job))))
  )
  yield* Effect.all([produce(queue, producers), ...consumers], all)
  return shares
})

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.gen(function*() {
    for (const [who, share] of (yield* scene).entries()) yield* Console.log(`consumer ${who + 1}: ${share.join(" ")}`)
  }))
}
