import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { Etcd } from "../Etcd.ts"
import type { Compacted, EtcdError } from "../EtcdError.ts"
import * as EtcdOp from "../EtcdOp.ts"
import type { View } from "./leaseView.ts"

/**
 * Keeps a view of a resource's line up to date, and tells after each change.
 *
 * The watch begins with the present and not with a read's revision: etcd brings a watch of the past up to date in a loop
 * of 100 ms. So the read comes after.
 */
export const follow = (etcd: Etcd["Service"], view: View, changed: () => void): Effect.Effect<never, EtcdError> => {
  const range = EtcdOp.prefix(view.room)
  const following: Effect.Effect<never, EtcdError | Compacted> = Effect.scoped(Effect.gen(function*() {
    const { batches } = yield* etcd.watch(range)
    const read = yield* etcd.range(range)
    view.reset(read.revision, read)
    for (;;) {
      changed()
      for (const batch of yield* Queue.takeAll(batches)) {
        for (const event of batch.events) view.apply(event.type, event.kv)
        if (batch.revision > view.revision) view.revision = batch.revision
      }
    }
  }))
  return Effect.catchTag(following, "Compacted", () => follow(etcd, view, changed))
}
