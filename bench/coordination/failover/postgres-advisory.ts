/** Heddle's lock on advisory locks of PostgreSQL. */
import { PostgresAdvisoryLeaseStore } from "@heddle/postgres"
import * as Effect from "effect/Effect"
import { DistributedLock } from "heddle/coordination"
import { provided } from "../../harness/Contender.ts"
import { type Sit, ttl } from "../../harness/Seat.ts"

export const sit: Sit = async (url, seat) => {
  const context = await provided(PostgresAdvisoryLeaseStore.layer({ url }))
  const held = DistributedLock.withLock(seat, { ttl: `${ttl} seconds`, waitFor: Infinity })
  return new Promise<void>((seated) => {
    const section = Effect.andThen(Effect.sync(seated), Effect.never)
    Effect.runForkWith(context)(held(section))
  })
}
