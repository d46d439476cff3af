import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import type { JobStore } from "heddle/messaging"
import type { Crew } from "./crew.ts"
import { work } from "./worker.ts"

/** Workers that are fibers of this process. */
export const fibers: Crew<never, JobStore.JobStore | FileSystem.FileSystem> = {
  start: (order) =>
    Effect.map(Deferred.make<void>(), (end) => ({
      events: Stream.interruptWhen(work(order), Deferred.await(end)),
      kill: Deferred.succeed(end, undefined)
    })),
  killed: (worker, path) =>
    `worker ${worker} was interrupted at ${path} (a fiber cannot be SIGKILLed), and handed it back`
}
