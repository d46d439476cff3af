import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Lease } from "heddle/coordination"
import type { Hearer, Subscriber } from "./Subscriber.ts"

/** What listening needs of its surroundings. */
export interface Surroundings {
  readonly subscriber: Subscriber
  readonly channel: string
  readonly hearer: Hearer
  readonly refusal: (error: unknown) => Lease.StoreUnavailable | undefined
}

/** Hears a channel while anybody listens: each run listens until its scope closes. Without a connection, once there is one. */
export const kvListen = (
  { channel, hearer, refusal, subscriber }: Surroundings
): Effect.Effect<void, Lease.StoreUnavailable, Scope.Scope> => {
  let listeners = 0
  const subscribe = Effect.tryPromise({
    try: () => subscriber.join(channel, hearer, false),
    catch: (error) => error
  }).pipe(
    Effect.catch((error) => {
      const refused = refusal(error)
      return refused === undefined ? Effect.void : Effect.fail(refused)
    })
  )
  return Effect.acquireRelease(
    Effect.sync(() => void listeners++),
    () =>
      Effect.sync(() => {
        if (--listeners === 0) subscriber.leave(channel, hearer)
      })
  ).pipe(Effect.andThen(subscribe))
}
