/** Leases of Heddle's store, claimed in one scope. */
import { RedisLeaseStore } from "@heddle/redis"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { LeaseStore } from "heddle/coordination"
import { provided } from "../../harness/Contender.ts"
import { type Hold, ttl } from "../../harness/Holding.ts"

export const hold: Hold = async (url, count) => {
  const context = await opened(url)
  const scope = Scope.makeUnsafe()
  const claim = (key: number) =>
    Effect.flatMap(LeaseStore.LeaseStore, (store) => store.claim({ resource: `held/${count}/${key}`, ttl }))
  const all = Effect.forEach(Array.from({ length: count }, (_, key) => key), claim, { concurrency: 64, discard: true })
  return Effect.runPromiseWith(context)(Effect.provideService(all, Scope.Scope, scope))
}

let layer: ReturnType<typeof open> | undefined
const open = (url: string) => provided(RedisLeaseStore.layer({ url }))

/** One store for all calls. */
export const opened = (url: string) => layer ??= open(url)
