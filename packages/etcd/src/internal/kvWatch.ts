import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Order from "effect/Order"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { KvEntry } from "heddle/coordination"
import type { KvBackend, Lease } from "heddle/coordination"
import type { Etcd, WatchEvent } from "../Etcd.ts"
import type { Compacted, EtcdError } from "../EtcdError.ts"
import * as Keys from "./kvKeys.ts"
import { unavailable } from "./unavailable.ts"

const pause = 100

/**
 * Watches a target. To begin is tried again until a member answers; from then on the watch of the connection goes on by
 * itself, and begins again where its reader was too far behind.
 */
export const watch = (
  etcd: Etcd["Service"],
  start: string,
  target: KvBackend.Target,
  from: bigint | undefined
): Stream.Stream<KvEntry.Changed, KvEntry.Compacted | Lease.StoreUnavailable> =>
  Stream.suspend(() => {
    const keys = Keys.targetOf(start, target)
    let next = from
    const failed = (error: EtcdError | Compacted) =>
      error._tag === "EtcdError"
        ? unavailable(error)
        : new KvEntry.Compacted({ requested: next ?? 0n, oldest: error.compactRevision + 1n })
    // A member that lags behind would tell what had happened before: what is the present is asked of all.
    const began = Effect.suspend(() =>
      next === undefined
        ? Effect.map(etcd.range({ ...keys, countOnly: true }), ({ revision }) => next = revision + 1n)
        : Effect.succeed(next)
    )
    const begun = Effect.flatMap(began, (first) => etcd.watch({ ...keys, startRevision: first > 0n ? first : 1n }))
    const pulled = Effect.map(begun, ({ batches }) =>
      Stream.fromIterableEffectRepeat(Effect.map(Queue.takeAll(batches), (taken) =>
        taken.flatMap(({ events, revision }) => {
          next = revision + 1n
          return changedBy(start, events)
        }))))
    return Stream.unwrap(pulled).pipe(
      Stream.retry(($) =>
        Schedule.while($(Schedule.spaced(pause)), ({ input }) =>
          passes(input))
      ),
      Stream.mapError(failed)
    )
  })

/** Whether it may be otherwise when asked again. */
const passes = (error: EtcdError | Compacted): boolean =>
  error._tag === "EtcdError" && ["Unavailable", "DeadlineExceeded", "Exhausted"].includes(error.reason)

/** The commits, each with what it changed in the order of the keys. */
const changedBy = (start: string, events: ReadonlyArray<WatchEvent>): ReadonlyArray<KvEntry.Changed> =>
  Arr.isReadonlyArrayNonEmpty(events)
    ? Arr.groupWith(events, (one, other) => one.kv.modRevision === other.kv.modRevision).map((together) => ({
      revision: together[0].kv.modRevision,
      changes: Arr.map(Arr.sort(together, byKey), (event) => changeOf(start, event))
    }))
    : []

const byKey = Order.make<WatchEvent>((one, other) => Buffer.compare(one.kv.key, other.kv.key))

const changeOf = (start: string, { kv, type }: WatchEvent): KvEntry.Change =>
  type === "put"
    ? { _tag: "Put", entry: Keys.entryOf(start, kv) }
    : { _tag: "Delete", key: Keys.nameOf(start, kv.key) }
