import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { JobStore } from "heddle/messaging"
import { queueOf } from "./queue.ts"
import * as Sources from "./sources.ts"

/** What a worker is told. `freezeAt`: the file in whose middle it stands still, for whoever wants to kill it there. A JSON text. */
export const Order = Schema.fromJsonString(Schema.Struct({
  worker: Schema.Int,
  run: Schema.String,
  freezeAt: Schema.optionalKey(Schema.Int)
}))
export type Order = typeof Order.Type

/** What a worker tells: which file it has begun, for the how-manieth time, and that it stands still. A JSON line. */
export const Event = Schema.fromJsonString(Schema.TaggedUnion({
  Began: { path: Schema.String, attempt: Schema.Int },
  Frozen: { path: Schema.String },
  Failed: { message: Schema.String }
}))
export type Event = typeof Event.Type

/** How long a dead worker holds its files. */
export const ttl = "2 seconds"

/** Indexes files until it is ended. Knows neither the backend nor whether it is a fiber or a process. */
export const work = (
  { freezeAt, run }: Order
): Stream.Stream<Event, never, JobStore.JobStore | FileSystem.FileSystem> =>
  Stream.callback<Event, never, JobStore.JobStore | FileSystem.FileSystem>((events) => {
    const tell = (event: Event) => Queue.offer(events, event)
    let begun = 0
    return queueOf(run).process(({ path }, { attempt }) =>
      Effect.gen(function*() {
        const count = ++begun
        yield* tell({ _tag: "Began", path, attempt })
        if (freezeAt !== undefined && count >= freezeAt) {
          yield* tell({ _tag: "Frozen", path })
          return yield* Effect.never
        }
        return yield* Sources.entryOf(path)
      }), { concurrency: 4, ttl, grace: 0 }).pipe(
        Effect.catch(({ message }) => tell({ _tag: "Failed", message }))
      )
  })
