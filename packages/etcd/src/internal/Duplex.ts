/** A stream that opens when it is first wanted, and again after it broke, as long as it is wanted. */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { EtcdError } from "../EtcdError.ts"
import type { Channel, Method } from "./Channel.ts"

const backoff = { first: 50, most: 500 }

export interface Duplex<in I> {
  /** Sends on the open stream. Says false without one: `opened` then sends what is wanted. */
  readonly send: (request: I) => boolean
  /** Gives the open stream up for a new one, maybe to another member. */
  readonly reopen: () => void
}

export interface Handlers<out I, in O> {
  /** Whether there is anything to have a stream for. */
  readonly wanted: () => boolean
  /** A stream is open: send on it all that is wanted. */
  readonly opened: (send: (request: I) => void) => void
  readonly received: (response: O) => void
  readonly broke: (error: EtcdError) => void
}

export const make = Effect.fnUntraced(function*<I, O>(
  channel: Channel,
  method: Method<I, O>,
  handlers: Handlers<I, O>
): Effect.fn.Return<Duplex<I>, never, Scope.Scope> {
  const start = Latch.makeUnsafe(false)
  let open: { readonly send: (request: I) => void; readonly giveUp: () => void } | undefined
  let delay = backoff.first

  const session = channel.stream(
    method,
    (send, giveUp) => {
      open = { send, giveUp }
      handlers.opened(send)
    },
    (response) => {
      delay = backoff.first
      handlers.received(response)
    }
  )

  const loop = start.await.pipe(
    Effect.andThen(session),
    Effect.catch((error) => {
      open = undefined
      handlers.broke(error)
      if (!handlers.wanted()) start.closeUnsafe()
      const pause = delay
      delay = Math.min(delay * 2, backoff.most)
      return Effect.sleep(pause)
    }),
    Effect.forever
  )
  yield* Effect.forkScoped(loop)

  return {
    send: (request) => {
      if (open === undefined) {
        if (handlers.wanted()) start.openUnsafe()
        return false
      }
      open.send(request)
      return true
    },
    reopen: () => open?.giveUp()
  }
})
