import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Lease, LeaseBackend } from "heddle/coordination"
import type { Redis } from "../Redis.ts"
import type { Looked } from "./leaseScript.ts"
import { listen } from "./listen.ts"

/** What the observers need of their surroundings. */
export interface Surroundings extends Pick<Redis["Service"], "commands" | "subscriber"> {
  readonly failure: (error: unknown) => Lease.StoreUnavailable
  readonly channelOf: (resource: string) => string
  readonly look: (resource: string) => Effect.Effect<Looked, Lease.StoreUnavailable>
}

/** Observes resources: looks when the server notes a change, when a lease or a waiter may end by itself, and after a gap. */
export const leaseChanges = (
  { channelOf, commands, failure, look, subscriber }: Surroundings
): Effect.Effect<LeaseBackend.Steps["changes"], never, Scope.Scope> =>
  Effect.gen(function*() {
    const observers = new Set<Latch.Latch>()
    yield* listen(commands, "ready", () => observers.forEach((latch) => latch.openUnsafe()))

    const observe = (channel: string) =>
      Effect.gen(function*() {
        const latch = Latch.makeUnsafe(false)
        const wake = () => void latch.openUnsafe()
        const hearer = { onMessage: wake, onAgain: wake }
        yield* Effect.acquireRelease(
          Effect.sync(() => observers.add(latch)),
          () =>
            Effect.sync(() => {
              observers.delete(latch)
              subscriber.leave(channel, hearer)
            })
        )
        // The server notes only what somebody hears of.
        yield* Effect.tryPromise({ try: () => subscriber.join(channel, hearer, true), catch: failure })
        return latch
      })

    return (resource) =>
      Stream.callback<Lease.Inspection, Lease.StoreUnavailable>((queue) =>
        Effect.flatMap(observe(channelOf(resource)), (latch) =>
          Effect.forever(Effect.suspend(() => {
            latch.closeUnsafe()
            return Effect.flatMap(look(resource), ({ inspection, next }) => {
              Queue.offerUnsafe(queue, inspection)
              return next === undefined ? latch.await : Effect.raceFirst(latch.await, Effect.sleep(next + 1))
            })
          }))), { bufferSize: 1, strategy: "sliding" })
  })
