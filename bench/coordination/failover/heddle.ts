/** Heddle's election as a seat: campaigns, and leads until the process ends. */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { LeaderElection } from "heddle/coordination"
import { provided } from "../../harness/Contender.ts"
import { type Sit, ttl } from "../../harness/Seat.ts"

export const elected = <E>(layer: (url: string) => Layer.Layer<LeaderElection.Needs, E>): Sit => async (url, seat) => {
  const context = await provided(layer(url))
  const campaign = LeaderElection.campaign(seat, { ttl: `${ttl} seconds`, waitFor: Infinity })
  return Effect.runPromiseWith(context)(Effect.provideService(campaign, Scope.Scope, Scope.makeUnsafe()))
}
