import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { Etcd } from "../Etcd.ts"
import type { EtcdError } from "../EtcdError.ts"
import * as EtcdOp from "../EtcdOp.ts"
import { isPassing, pause } from "./leaseLine.ts"
import type { Place, Turn } from "./leasePlace.ts"

/**
 * Waits at the end of a long line for the whole of a resource: watches the claim just ahead and nothing else, so that a
 * hand-over wakes one waiter. A claim ahead that merely gave up shows the next one ahead.
 */
export const waitFar = (etcd: Etcd["Service"], place: Place): Effect.Effect<Turn, EtcdError> => {
  const look = Effect.map(
    etcd.range({
      ...EtcdOp.prefix(place.room),
      maxCreateRevision: place.revision,
      sortBy: "createRevision",
      descending: true,
      limit: 2,
      keysOnly: true
    }),
    (
      { kvs: [own, ahead], revision }
    ): { readonly turn: Turn } | { readonly key: string; readonly revision: bigint } => {
      if (own?.createRevision !== place.revision) return { turn: "gone" }
      return ahead === undefined ? { turn: "first" } : { key: EtcdOp.text(ahead.key), revision }
    }
  )
  const wait: Effect.Effect<Turn, EtcdError> = Effect.flatMap(look, (seen) => {
    if ("turn" in seen) return Effect.succeed(seen.turn)
    const watched = Effect.gen(function*() {
      const watch = yield* etcd.watch({ key: seen.key, only: "delete" })
      if (watch.revision > seen.revision) {
        const now = yield* look
        if ("turn" in now || now.key !== seen.key) return
      }
      yield* Queue.take(watch.batches)
    })
    return Effect.andThen(Effect.catchTag(Effect.scoped(watched), "Compacted", () => Effect.void), wait)
  })
  return Effect.retry(wait, { while: isPassing, schedule: pause })
}
