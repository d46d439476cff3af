/** The steps in which room is made in a line, and those who come to fit are told. */
import * as Effect from "effect/Effect"
import type { Etcd } from "../Etcd.ts"
import type { EtcdError } from "../EtcdError.ts"
import * as EtcdOp from "../EtcdOp.ts"
import * as Keys from "./leaseKeys.ts"
import { encodeNews, type Known, type News } from "./leaseOrder.ts"
import type { Place } from "./leasePlace.ts"
import { oldestOf, oldestOps, read } from "./leaseTxn.ts"
import type { View } from "./leaseView.ts"

/** Takes a claim out and reads who is left, the oldest: enough to know who holds now. */
const outOps = (place: Place) =>
  [
    ...oldestOps(place),
    EtcdOp.deleteRange({ key: place.key }),
    ...(place.permits < place.claim.permits
      ? [EtcdOp.deleteRange({ key: Keys.lessKey(place.room.name, place.claim.id) })]
      : [])
  ] as const

/** Takes the claim out; gives the line without it. */
export const leave = (etcd: Etcd["Service"], place: Place): Effect.Effect<View, EtcdError> => {
  const out = outOps(place)
  return Effect.flatMap(etcd.txn({ success: out, failure: out }), ({ responses, revision }) => {
    const view = oldestOf(place, responses, revision)
    view.entries.delete(place.key)
    const tells = !responses[0].more || [...view.holders()].length < view.entries.size
    return tells ? Effect.succeed(view) : read(etcd, place.room.name)
  })
}

/**
 * Takes out the claim that held a whole resource, on condition that `next` still stands in line: with `news` it is told in the
 * same step, without it was told already. If `next` has left, takes the claim out all the same and gives the line without it, so
 * that somebody else can be told. That is a step of its own: a request that carried both would be half as long again.
 */
export const handOver = (
  etcd: Etcd["Service"],
  prefix: string,
  place: Place,
  next: Known,
  news: News | undefined
): Effect.Effect<View | undefined, EtcdError> => {
  const { claim, key, room: { name } } = place
  const told = news === undefined ? { compare: [], success: [] } : tell(prefix, next.session, news)
  return Effect.flatMap(
    etcd.txn({
      compare: [
        EtcdOp.compare(Keys.sizeKey(name), "createRevision", "=", 0n),
        EtcdOp.compare(Keys.keyOf(name, { ...claim, id: next.id }), "createRevision", "=", next.revision),
        ...told.compare
      ],
      success: [EtcdOp.deleteRange({ key }), ...told.success]
    }),
    ({ succeeded }) => succeeded ? Effect.undefined : leave(etcd, place)
  )
}

/** Writes news to a session's key, if it still lives. */
const tell = (prefix: string, session: bigint, news: News) => {
  const key = Keys.sessionKey(prefix, session)
  return {
    compare: [EtcdOp.compare(key, "createRevision", ">", 0n)],
    success: [EtcdOp.put({ key, value: encodeNews(news), ignoreLease: true })]
  }
}

/** Tells the claims of one session that they hold now. */
export const tellSession = (
  etcd: Etcd["Service"],
  prefix: string,
  session: bigint,
  news: News
): Effect.Effect<void, EtcdError> => Effect.asVoid(etcd.txn(tell(prefix, session, news)))
