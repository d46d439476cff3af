import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Lease, LeaseBackend } from "heddle/coordination"
import type { Redis } from "ioredis"
import { exactly } from "./leaseKeys.ts"
import type { Looked } from "./leaseScript.ts"
import { listen } from "./listen.ts"

/** What the observers need of their surroundings. */
export interface Surroundings {
  readonly commands: Redis
  readonly subscriber: Redis
  readonly failure: (error: unknown) => Lease.StoreUnavailable
  readonly channelOf: (resource: string) => string
  readonly look: (resource: string) => Effect.Effect<Looked, Lease.StoreUnavailable>
}

/**
 * Observes resources: looks when the server notes a change, when a lease or a waiter may end by itself, and after a gap
 * in the notes. The server only notes changes while somebody subscribes by pattern, so that is how it is done here.
 */
export const leaseChanges = (
  { channelOf, commands, failure, look, subscriber }: Surroundings
): Effect.Effect<LeaseBackend.Steps["changes"], never, Scope.Scope> =>
  Effect.gen(function*() {
    const observers = new Map<string, Set<Latch.Latch>>()
    const wake = (pattern: string) => observers.get(pattern)?.forEach((latch) => latch.openUnsafe())
    const wakeAll = () => [...observers.keys()].forEach(wake)
    yield* listen(subscriber, "pmessage", (pattern = "") => wake(pattern))
    yield* listen(commands, "ready", wakeAll)
    yield* listen(subscriber, "ready", () => {
      if (observers.size > 0) subscriber.psubscribe(...observers.keys()).then(wakeAll, () => {})
    })

    const observe = (pattern: string) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const latch = Latch.makeUnsafe(false)
          observers.set(pattern, (observers.get(pattern) ?? new Set()).add(latch))
          return latch
        }),
        (latch) =>
          Effect.sync(() => {
            const all = observers.get(pattern)
            all?.delete(latch)
            if (all?.size !== 0) return
            observers.delete(pattern)
            subscriber.punsubscribe(pattern).catch(() => {})
          })
      ).pipe(Effect.tap(() => Effect.tryPromise({ try: () => subscriber.psubscribe(pattern), catch: failure })))

    return (resource) =>
      Stream.callback<Lease.Inspection, Lease.StoreUnavailable>((queue) =>
        Effect.flatMap(observe(exactly(channelOf(resource))), (latch) =>
          Effect.forever(Effect.suspend(() => {
            latch.closeUnsafe()
            return Effect.flatMap(look(resource), ({ inspection, next }) => {
              Queue.offerUnsafe(queue, inspection)
              return next === undefined ? latch.await : Effect.raceFirst(latch.await, Effect.sleep(next + 1))
            })
          }))), { bufferSize: 1, strategy: "sliding" })
  })
