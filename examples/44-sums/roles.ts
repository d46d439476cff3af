import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { JobStore } from "heddle/messaging"
import { garbage, pairOf, queuesOf, ttl } from "./queues.ts"

/** What a process is told to be. `freezeAt`: the pair in whose middle it stands still, for whoever wants to kill it there. A JSON text. */
export const Order = Schema.fromJsonString(Schema.TaggedUnion({
  Produce: { run: Schema.String, count: Schema.Int },
  Work: { run: Schema.String, freezeAt: Schema.optionalKey(Schema.Int) }
}))
export type Order = typeof Order.Type

/** What a process tells. A JSON line. */
export const Event = Schema.fromJsonString(Schema.TaggedUnion({
  Enqueued: { count: Schema.Int },
  Began: { number: Schema.Int, attempt: Schema.Int },
  Frozen: { number: Schema.Int },
  Failed: { message: Schema.String }
}))
export type Event = typeof Event.Type

/** Does what it is told. Knows neither the backend nor whether it is a fiber or a process. */
export const follow = (order: Order): Stream.Stream<Event, never, JobStore.JobStore> =>
  order._tag === "Produce" ? produce(order) : work(order)

/** Puts the pairs into the queue, with garbage in their middle. It ends when the store has confirmed them all. */
const produce = ({ count, run }: Extract<Order, { _tag: "Produce" }>) =>
  Stream.fromEffect(
    Effect.gen(function*() {
      const { pairs } = queuesOf(run)
      const store = yield* JobStore.JobStore
      const [first, second] = Arr.splitAt(Arr.map(Arr.range(1, count), pairOf), Math.floor(count / 2))
      const confirmed = yield* pairs.enqueueAll(first)
      yield* store.enqueue(pairs.name, [{ payload: new TextEncoder().encode(garbage) }])
      const others = yield* pairs.enqueueAll(second)
      return { _tag: "Enqueued", count: confirmed.length + others.length } satisfies Event
    }).pipe(Effect.catch(({ message }) => Effect.succeed<Event>({ _tag: "Failed", message })))
  )

/** Adds pairs until it is ended. A pair is done when the store has its sum: who dies in between leaves it to another, who tells it again. */
const work = ({ freezeAt, run }: Extract<Order, { _tag: "Work" }>) =>
  Stream.callback<Event, never, JobStore.JobStore>((events) => {
    const tell = (event: Event) => Queue.offer(events, event)
    const { pairs, sums } = queuesOf(run)
    let begun = 0
    return pairs.process(({ a, b, number }, { attempt }) =>
      Effect.gen(function*() {
        const count = ++begun
        yield* tell({ _tag: "Began", number, attempt })
        if (freezeAt !== undefined && count >= freezeAt) {
          yield* tell({ _tag: "Frozen", number })
          return yield* Effect.never
        }
        yield* Effect.orDie(sums.enqueue({ number, sum: a + b }))
      }), { concurrency: 2, ttl, grace: 0 }).pipe(
        Effect.catch(({ message }) => tell({ _tag: "Failed", message }))
      )
  })
