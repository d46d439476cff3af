import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { JobStore } from "heddle/messaging"
import type { Crew } from "./crew.ts"
import { follow } from "./roles.ts"

/** Producers and workers that are fibers of this process. */
export const fibers: Crew<never, JobStore.JobStore> = {
  start: (order) =>
    Effect.map(Deferred.make<void>(), (end) => ({
      events: Stream.interruptWhen(follow(order), Deferred.await(end)),
      kill: Deferred.succeed(end, undefined)
    })),
  killed: "was interrupted (a fiber cannot be SIGKILLed)"
}
