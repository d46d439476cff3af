import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import type { Postgres } from "../Postgres.ts"

/**
 * Hears of commits while anybody does, and for `linger` longer: what it gives hears until its scope closes. It does not wait for a
 * session.
 */
export const kvListen = (
  postgres: Postgres["Service"],
  channel: string,
  on: { readonly message: (payload: string) => void; readonly ready: () => void },
  linger?: Duration.Input
): Effect.Effect<Effect.Effect<void, never, Scope.Scope>, never, Scope.Scope> => {
  // One that cannot be opened yet is opened later.
  const hear = postgres.listen(channel, on).pipe(
    Effect.flatMap((told) => told ? Effect.void : Effect.logWarning(unheard)),
    Effect.catchTag("StoreUnavailable", ({ message }) => Effect.logWarning(message))
  )
  const hearing = RcRef.make({ acquire: Effect.asVoid(Effect.forkScoped(hear)), idleTimeToLive: linger })
  return Effect.map(hearing, RcRef.get)
}

const unheard = "a pooler of transactions is in front of PostgreSQL: who watches keys looks again once a second; "
  + "give the layer a directUrl, and it will be told at once"
