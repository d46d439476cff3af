import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Cluster, Redis } from "ioredis"

/** Listens to an event of a connection until the scope closes. */
export const listen = (
  client: Redis | Cluster,
  event: "ready",
  listener: () => void
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => void client.on(event, listener)),
    () => Effect.sync(() => void client.off(event, listener))
  )
