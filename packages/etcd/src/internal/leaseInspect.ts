import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { Lease } from "heddle/coordination"
import type { Etcd } from "../Etcd.ts"
import * as EtcdOp from "../EtcdOp.ts"
import { follow } from "./leaseFollow.ts"
import * as Keys from "./leaseKeys.ts"
import type { Leaving } from "./leaseLeaving.ts"
import { View } from "./leaseView.ts"
import { unavailable } from "./unavailable.ts"

/** Shows who holds and who waits. Ages never are negative: a claimant's clock may be ahead of this process's. */
export class Inspector {
  private readonly etcd: Etcd["Service"]
  private readonly prefix: string
  private readonly clock: Clock.Clock
  private readonly leaving: Leaving
  constructor(etcd: Etcd["Service"], prefix: string, clock: Clock.Clock, leaving: Leaving) {
    this.etcd = etcd
    this.prefix = prefix
    this.clock = clock
    this.leaving = leaving
  }

  inspect(resource: string): Effect.Effect<Lease.Inspection, Lease.StoreUnavailable> {
    const view = new View(Keys.room(this.prefix, resource))
    return Effect.mapBoth(this.etcd.range(EtcdOp.prefix(view.room)), {
      onFailure: unavailable,
      onSuccess: (read) => {
        view.reset(read.revision, read)
        return this.show(view)
      }
    })
  }

  changes(resource: string): Stream.Stream<Lease.Inspection, Lease.StoreUnavailable> {
    return Stream.callback<Lease.Inspection, Lease.StoreUnavailable>((queue) => {
      const view = new View(Keys.room(this.prefix, resource))
      const following = follow(this.etcd, view, () => Queue.offerUnsafe(queue, this.show(view)))
      return Effect.mapError(following, unavailable)
    }, { bufferSize: 1, strategy: "sliding" })
  }

  private show(view: View): Lease.Inspection {
    const now = this.clock.currentTimeMillisUnsafe()
    const holding = new Set(view.holders(this.leaving))
    const holders: Array<Lease.HolderInfo> = []
    const waiters: Array<Lease.WaiterInfo> = []
    for (const entry of view.entries.values()) {
      if (this.leaving.has(entry.key)) continue
      const { owner, since, value } = Keys.decodeNote(entry.value)
      const { id, revision } = entry
      const permits = view.permits(entry)
      const age = Math.max(0, now - since)
      if (holding.has(entry)) holders.push({ id, owner, value, permits, token: Keys.tokenOf(revision), age })
      else waiters.push({ id, owner, permits, age })
    }
    const named = holders.length + waiters.length > 0 ? view.named : undefined
    const limit = view.size?.limit ?? named
    return { limit, holders, waiters }
  }
}
