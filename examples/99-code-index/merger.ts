import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { DistributedLock, type Lease } from "heddle/coordination"
import { Batcher } from "heddle/flow"
import type { Broker } from "heddle/messaging"
import type { Entry } from "./entry.ts"
import * as IndexFile from "./indexFile.ts"
import { lockOf, type Run, type Tell } from "./run.ts"

interface Options {
  readonly run: Run
  readonly worker: number
  readonly tell: Tell
  /** What happens while it holds the lock, before it writes. */
  readonly holding: (token: bigint) => Effect.Effect<void, Error, Broker.Broker>
}

/** Gathers what a worker has found, and merges it into the index: several chunks at a time, and only then under the lock. */
export const make = ({ holding, run, tell, worker }: Options) =>
  Batcher.make({
    maxSize: 10,
    maxWait: "60 millis",
    run: (found: ReadonlyArray<{ readonly chunk: number; readonly entry: Entry }>) => {
      const merge = (lease: Lease.Lease) =>
        Effect.gen(function*() {
          yield* tell({ _tag: "Holds", worker, token: lease.token })
          yield* holding(lease.token)
          yield* IndexFile.merge(run.index, found, lease)
        })
      return Effect.gen(function*() {
        yield* tell({ _tag: "Waits", worker, chunks: found.length })
        yield* DistributedLock.withLock(lockOf(run), { ttl: "2 seconds", owner: `worker ${worker}` })(merge)
        yield* tell({ _tag: "Merged", worker, chunks: found.map(({ chunk }) => chunk) })
        return found.map(() => Exit.void)
      })
    }
  })
