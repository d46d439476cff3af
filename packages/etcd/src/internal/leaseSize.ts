/** How much a claim holds, and how much there is to hold. */
import * as Effect from "effect/Effect"
import type { LeaseBackend } from "heddle/coordination"
import type { EtcdError } from "../EtcdError.ts"
import * as EtcdOp from "../EtcdOp.ts"
import * as Keys from "./leaseKeys.ts"
import type { Place } from "./leasePlace.ts"
import type { Removals } from "./leaseRemovals.ts"
import type { Store } from "./leaseStore.ts"
import { readOps } from "./leaseTxn.ts"
import { View } from "./leaseView.ts"

/** Changes what a claim says of itself and how much it holds, in one step; false if its key is not there. */
export const change = (
  { etcd }: Store,
  removals: Removals,
  place: Place,
  { permits = place.permits, value = place.value }: LeaseBackend.Change
): Effect.Effect<boolean, EtcdError> => {
  const { claim: { id }, key, revision, room: { name }, session } = place
  if (session === undefined) return Effect.succeed(false)
  const freed = place.permits - permits
  const compare = [EtcdOp.compare(key, "createRevision", "=", revision)]
  const put = EtcdOp.put({ key, value: place.note(value), ignoreLease: true })
  if (freed === 0) {
    return Effect.map(etcd.txn({ compare, success: [put] }), ({ succeeded }) => {
      if (succeeded) place.value = value
      return succeeded
    })
  }
  const less = EtcdOp.put({ key: Keys.lessKey(name, id), value: String(permits), lease: session.id })
  return Effect.flatMap(etcd.txn({ compare, success: [put, less, ...readOps(name, {})] }), (changed) => {
    if (!changed.succeeded) return Effect.succeed(false)
    place.value = value
    place.permits = permits
    const view = View.of(name, changed.revision, changed.responses[2], changed.responses[3])
    return Effect.as(removals.tell(view.freed(revision, freed)), true)
  })
}

/**
 * Sets how many permits there are: one step that decides, and another that notes what only its answer tells: which claims
 * hold above the new number, or that it is what callers name.
 */
export const resize = (
  { etcd }: Store,
  removals: Removals,
  room: string,
  limit: number
): Effect.Effect<void, EtcdError> => {
  const key = Keys.sizeKey(room)
  const decided: Keys.Size = { limit, upTo: 0n, named: 0 }
  const both = [EtcdOp.put({ key, value: Keys.encodeSize(decided), prevKv: true }), ...readOps(room, {})] as const
  return Effect.flatMap(
    etcd.txn({ success: both, failure: both }),
    ({ responses: [{ prevKv }, ...reads], revision }) => {
      const view = View.of(room, revision, ...reads)
      const old = prevKv && Keys.decodeSize(prevKv.value)
      view.size = old
      const before = new Set(view.holders())
      view.size = decided
      const after = new Set(view.holders())
      const last = [...before].at(-1)
      const upTo = last === undefined || after.has(last) ? 0n : last.revision
      const named = view.named ?? old?.named ?? 0
      const note = upTo === 0n && named === limit
        ? EtcdOp.deleteRange({ key })
        : EtcdOp.put({ key, value: Keys.encodeSize({ limit, upTo, named }) })
      const noted = upTo === 0n && named === 0
        ? Effect.void
        : etcd.txn({ compare: [EtcdOp.compare(key, "modRevision", "=", revision)], success: [note] })
      return Effect.andThen(noted, removals.tell([...after].filter((entry) => !before.has(entry))))
    }
  )
}

/** A claim that names a number notes it beside the resource's size; a size that it equals is forgotten. */
export const nameSize = ({ etcd }: Store, { entries, named, room, size }: View): Effect.Effect<void, EtcdError> => {
  if (size === undefined || named === undefined) return Effect.void
  const [first] = entries.values()
  const same = size.limit === named && first !== undefined && first.revision > size.upTo
  if (!same && size.named === named) return Effect.void
  const key = Keys.sizeKey(room)
  const note = same ? EtcdOp.deleteRange({ key }) : EtcdOp.put({ key, value: Keys.encodeSize({ ...size, named }) })
  return Effect.asVoid(etcd.txn({ compare: [EtcdOp.compareValue(key, "=", Keys.encodeSize(size))], success: [note] }))
}
