import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Lease } from "heddle/coordination"
import type { Redis } from "ioredis"
import { listen } from "./listen.ts"

/** What listening needs of its surroundings. */
export interface Surroundings {
  readonly subscriber: Redis
  readonly channel: string
  readonly onMessage: (message: string) => void
  /** Told when it listens again, and may have missed something. */
  readonly onAgain: () => void
  readonly refusal: (error: unknown) => Lease.StoreUnavailable | undefined
}

/** Listens to a channel while anybody does: what it gives listens until its scope closes. */
export const kvListen = (
  { channel, onAgain, onMessage, refusal, subscriber }: Surroundings
): Effect.Effect<Effect.Effect<void, Lease.StoreUnavailable, Scope.Scope>, never, Scope.Scope> =>
  Effect.gen(function*() {
    let listeners = 0
    yield* listen(subscriber, "message", (from = "", message = "") => {
      if (from === channel) onMessage(message)
    })
    yield* listen(subscriber, "ready", () => {
      if (listeners > 0) subscriber.subscribe(channel).then(onAgain, () => {})
    })
    const subscribe = Effect.tryPromise({ try: () => subscriber.subscribe(channel), catch: (error) => error }).pipe(
      Effect.catch((error) => {
        const refused = refusal(error)
        return refused === undefined ? Effect.void : Effect.fail(refused)
      })
    )
    return Effect.acquireRelease(
      Effect.sync(() => void listeners++),
      () =>
        Effect.sync(() => {
          if (--listeners === 0) subscriber.unsubscribe(channel).catch(() => {})
        })
      // Without a connection "ready" comes later.
    ).pipe(Effect.andThen(Effect.suspend(() => subscriber.status === "ready" ? subscribe : Effect.void)))
  })
