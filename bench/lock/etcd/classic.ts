/**
 * The classic recipe, on the client that Heddle's own lock uses: put a key, get the one before it, watch that from the
 * revision at which it was read, and get again when it is gone.
 */
import { Etcd, EtcdOp } from "@heddle/etcd"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { fromEffects, type Open, provided } from "../../harness/Contender.ts"

const layer = (url: string) => Etcd.layer({ url })

export const classicWithLock = (lease: bigint) => {
  let count = 0
  return (key: string) => (section: Effect.Effect<void>) =>
    Effect.gen(function*() {
      const etcd = yield* Etcd.Etcd
      const mine = `${key}/${lease}-${count++}`
      const { revision } = yield* etcd.put({ key: mine, value: "", lease })
      const before = {
        ...EtcdOp.prefix(`${key}/`),
        maxCreateRevision: revision - 1n,
        sortBy: "createRevision",
        descending: true,
        limit: 1
      } as const
      for (;;) {
        const found = yield* etcd.range(before)
        const [ahead] = found.kvs
        if (ahead === undefined) break
        const gone = Effect.flatMap(
          etcd.watch({ key: ahead.key, startRevision: found.revision, only: "delete" }),
          ({ batches }) => Queue.take(batches)
        )
        yield* Effect.scoped(gone)
      }
      yield* section
      yield* etcd.deleteRange({ key: mine })
    })
}

export const open: Open = async (url) => {
  const context = await provided(layer(url))
  const grant = Effect.flatMap(Etcd.Etcd, (etcd) => etcd.leaseGrant("5 minutes"))
  const locked = classicWithLock((await Effect.runPromiseWith(context)(grant)).id)
  return fromEffects(locked, context)
}
