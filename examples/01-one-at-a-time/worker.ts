import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { DistributedLock, type Lease, type LeaseStore } from "heddle/coordination"
import * as IndexFile from "./indexFile.ts"
import type { Event, Job } from "./job.ts"
import * as Sources from "./sources.ts"

/** The lock that guards an index. */
export const lockOf = (index: string): string => `one-at-a-time ${index}`

/** Does one job after the other and tells how it goes. Knows neither the backend nor whether it is a fiber or a process. */
export const work = (jobs: Stream.Stream<Job>) =>
  Stream.flatMap(
    jobs,
    (job) =>
      Stream.callback<Event, never, LeaseStore.LeaseStore | FileSystem.FileSystem>((events) => {
        const tell = (event: Event) => Queue.offer(events, event)
        return perform(job, tell).pipe(
          Effect.catch((error) => tell({ _tag: "Failed", message: error.message })),
          Effect.andThen(Queue.end(events))
        )
      })
  )

const perform = (job: Job, tell: (event: Event) => Effect.Effect<unknown>) =>
  Effect.gen(function*() {
    const tally = yield* Sources.tally(job.files)
    const merge = (lease: Lease.Lease) =>
      Effect.gen(function*() {
        const { token } = lease
        const pause = (moment: Job["freeze"]) =>
          job.freeze === moment ? Effect.andThen(tell({ _tag: "Frozen", token }), Effect.never) : Effect.void
        yield* tell({ _tag: "Holding", token })
        yield* pause("before the write")
        yield* IndexFile.merge(job.index, job.chunk, tally, lease)
        yield* pause("after the write")
      })
    // A worker whose lease was lost (a suspended laptop) asks again: the index says whether its chunk is in it.
    yield* DistributedLock.withLock(lockOf(job.index), { ttl: "2 seconds", owner: `worker ${job.worker}` })(merge).pipe(
      Effect.retry({ times: 3, while: ({ _tag }) => _tag === "LeaseLost" || _tag === "StaleToken" })
    )
    yield* tell({ _tag: "Merged" })
  })
