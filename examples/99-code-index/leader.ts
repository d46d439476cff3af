import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { LeaderElection } from "heddle/coordination"
import * as IndexFile from "./indexFile.ts"
import { chunks, electionOf, queueOf, type Run, type Tell } from "./run.ts"

/** So many jobs wait at most: the leader plans a little ahead, so that there is always something left to lead. */
const ahead = 16

/**
 * Plans for as long as this worker leads: brings the chunks to the queue, a few at a time.
 *
 * A leader that took over begins anew. What is in the index it leaves out, and what is in the queue the queue does not take twice,
 * for each chunk has its id.
 */
export const lead = (run: Run, worker: number, tell: Tell) =>
  LeaderElection.runAsLeader(electionOf(run), { ttl: "2 seconds", owner: `worker ${worker}` })(({ term }) =>
    Effect.gen(function*() {
      yield* tell({ _tag: "Leads", worker, term })
      const queue = queueOf(run)
      const merged = new Set((yield* IndexFile.read(run.index)).merged)
      const open = (yield* chunks).filter(({ number }) => !merged.has(number))
      const room = Effect.repeat(queue.stats, {
        until: ({ waiting }) => waiting < ahead,
        schedule: Schedule.spaced("20 millis")
      })
      for (const some of Arr.chunksOf(open, ahead / 2)) {
        yield* room
        yield* queue.enqueueAll(some, ({ number }) => ({ id: `chunk-${number}` }))
        yield* tell({ _tag: "Planned", worker, chunks: some.length })
      }
      return yield* Effect.never
    })
  )
