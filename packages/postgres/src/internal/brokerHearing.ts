import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import { BrokerBackend, Message } from "heddle/messaging"
import { randomUUID } from "node:crypto"
import type { Postgres } from "../Postgres.ts"
import { Pieces } from "./brokerPieces.ts"

interface Hearer extends Pick<BrokerBackend.Subscribing, "inlet" | "pattern"> {
  /** What it notifies, and hears when it is live. */
  readonly token: string
  readonly live: Deferred.Deferred<void>
  isLive: boolean
}

/**
 * Hears for all subscriptions of a broker with one session, while there are any. A subscription is live when it has heard a word of
 * its own: then the session is there, and what was published before is over.
 */
export const brokerHearing = (
  postgres: Postgres["Service"],
  channel: string,
  notify: (text: string) => Effect.Effect<void, Message.StoreUnavailable>
): Effect.Effect<BrokerBackend.Steps["subscribe"], never, Scope.Scope> => {
  const hearers = new Set<Hearer>()
  const pieces = new Pieces()
  const hear = (piece: string) => {
    for (const hearer of hearers) if (hearer.token === piece) begin(hearer)
    const message = pieces.hear(piece)
    if (message === undefined) return
    for (const { inlet, isLive, pattern } of hearers) {
      if (isLive && BrokerBackend.matches(pattern, message.subject)) inlet.take(message)
    }
  }
  const begin = (hearer: Hearer) => {
    hearer.isLive = true
    Deferred.doneUnsafe(hearer.live, Effect.void)
  }
  const ready = () => {
    for (const { inlet, isLive } of hearers) if (isLive) inlet.reconnected()
  }
  const listen = Effect.flatMap(
    postgres.listen(channel, { message: hear, ready }),
    (can) => can ? Effect.void : Effect.fail(unheard)
  )
  return Effect.map(RcRef.make({ acquire: listen }), (session) => ({ inlet, pattern }) =>
    Effect.gen(function*() {
      yield* RcRef.get(session)
      const live = yield* Deferred.make<void>()
      const hearer: Hearer = { inlet, pattern, token: `? ${randomUUID()}`, live, isLive: false }
      yield* Effect.acquireRelease(
        Effect.sync(() => void hearers.add(hearer)),
        () => Effect.sync(() => void hearers.delete(hearer))
      )
      yield* notify(hearer.token)
      yield* Effect.timeoutOrElse(Deferred.await(live), {
        duration: postgres.timeout,
        orElse: () => Effect.fail(silent)
      })
    }))
}

const unheard = new Message.StoreUnavailable({
  backend: "postgres",
  message:
    "a pooler of transactions is in front of PostgreSQL, and nothing can be heard through it: give the server's own "
    + "address as directUrl"
})

const silent = new Message.StoreUnavailable({
  backend: "postgres",
  message:
    "the session that listens to PostgreSQL did not hear what was notified: try again, and see whether directUrl "
    + "leads to the same database as url"
})
