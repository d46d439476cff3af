import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import type { LeaseStore } from "heddle/coordination"
import type { Crew } from "./crew.ts"
import { work } from "./worker.ts"

/** Workers that are fibers of this process. */
export const fibers: Crew<never, LeaseStore.LeaseStore | FileSystem.FileSystem> = {
  start: (jobs) =>
    Effect.map(Deferred.make<void>(), (end) => ({
      events: Stream.interruptWhen(work(jobs), Deferred.await(end)),
      kill: Deferred.succeed(end, undefined)
    })),
  killed: (worker) => `worker ${worker} was interrupted while it held the lock (a fiber cannot be SIGKILLed)`,
  freed: (worker) => `worker ${worker} gave the lock back`
}
