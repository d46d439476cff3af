import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { KvStore, LeaseStore } from "heddle/coordination"
import type { Client } from "../Chaos.ts"

/** Both services of a store of keys. */
export interface Keys {
  readonly store: KvStore.KvStore["Service"]
  readonly transact: KvStore.KvTransactions["Service"]["transact"]
}

/** The stores of one client, as built. */
export interface Stores {
  readonly leases: LeaseStore.LeaseStore["Service"] | undefined
  readonly keys: Keys | undefined
}

/** Builds a client's stores. Keys are left alone where servers forget: no store promises anything of them then. */
export const build = ({ keys, leases }: Client, forgets: boolean): Effect.Effect<Stores, never, Scope.Scope> =>
  Effect.orDie(Effect.gen(function*() {
    const services = keys === undefined || forgets ? undefined : yield* Layer.build(Layer.fresh(keys))
    return {
      leases: leases && Context.get(yield* Layer.build(Layer.fresh(leases)), LeaseStore.LeaseStore),
      keys: services && {
        store: Context.get(services, KvStore.KvStore),
        transact: Context.get(services, KvStore.KvTransactions).transact
      }
    }
  }))
