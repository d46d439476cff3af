/** The classic recipe on a lease that is kept alive, on the client that Heddle uses. */
import { Etcd } from "@heddle/etcd"
import * as Effect from "effect/Effect"
import { provided } from "../../harness/Contender.ts"
import { type Sit, ttl } from "../../harness/Seat.ts"
import { classicWithLock } from "../../lock/etcd/classic.ts"

export const sit: Sit = async (url, seat) => {
  const context = await provided(Etcd.layer({ url }))
  const run = Effect.runPromiseWith(context)
  const { id } = await run(Effect.flatMap(Etcd.Etcd, (etcd) => etcd.leaseGrant(`${ttl} seconds`)))
  setInterval(() => void run(Effect.flatMap(Etcd.Etcd, (etcd) => etcd.leaseKeepAlive(id))), ttl * 1000 / 3)
  return new Promise<void>((seated) => {
    const section = Effect.andThen(Effect.sync(seated), Effect.never)
    Effect.runForkWith(context)(classicWithLock(id)(seat)(section))
  })
}
