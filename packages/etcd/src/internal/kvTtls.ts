import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { Etcd } from "../Etcd.ts"
import type { EtcdError } from "../EtcdError.ts"

/** At the end of a lease etcd deletes all its keys in one step, which must not become a long one. */
const most = 1000

interface Shared {
  readonly gate: Semaphore.Semaphore
  lease: { readonly id: bigint; readonly over: number; keys: number } | undefined
}

/**
 * Leases of etcd for keys that have a ttl, which nobody renews. Keys that are put one soon after another share one: a key
 * lives for its ttl, in whole seconds, and up to a 32nd of it (or 2 seconds) longer. So keys that are put again and again
 * leave few leases behind.
 */
export class Ttls {
  private readonly etcd: Pick<Etcd["Service"], "leaseGrant">
  private readonly now: () => number
  private readonly shared = new Map<number, Shared>()
  constructor(etcd: Ttls["etcd"], now: () => number) {
    this.etcd = etcd
    this.now = now
  }

  /** A lease that ends after `ttl` (ms) from now. */
  get(ttl: number): Effect.Effect<bigint, EtcdError> {
    return Effect.suspend(() => {
      const seconds = lifeOf(ttl)
      const shared = this.shared.get(seconds) ?? { gate: Semaphore.makeUnsafe(1), lease: undefined }
      this.shared.set(seconds, shared)
      return shared.gate.withPermit(Effect.suspend(() => {
        const { lease } = shared
        const now = this.now()
        if (lease !== undefined && lease.keys < most && lease.over >= now + ttl) {
          lease.keys++
          return Effect.succeed(lease.id)
        }
        return Effect.map(this.etcd.leaseGrant(Duration.seconds(seconds)), ({ id, ttl }) => {
          shared.lease = { id, over: now + Duration.toMillis(ttl), keys: 1 }
          return id
        })
      }))
    })
  }

  /** Shares none of these leases any more: somebody has revoked them. */
  forget(ids: ReadonlyArray<bigint | undefined>): void {
    for (const shared of this.shared.values()) if (ids.includes(shared.lease?.id)) shared.lease = undefined
  }
}

/** For how many seconds a lease is granted whose keys are to live for `ttl`: few different numbers, and long enough to share. */
const lifeOf = (ttl: number): number => {
  const seconds = Math.ceil(ttl / 1000)
  const grain = 2 ** Math.max(0, Math.floor(Math.log2(seconds / 64)))
  return (Math.ceil(seconds / grain) + 1) * grain
}
