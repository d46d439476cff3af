/** The steps in which a claim comes into a line: each is atomic on the server. */
import * as Effect from "effect/Effect"
import type { Etcd } from "../Etcd.ts"
import type { EtcdError } from "../EtcdError.ts"
import * as EtcdOp from "../EtcdOp.ts"
import * as Keys from "./leaseKeys.ts"
import type { Place } from "./leasePlace.ts"
import type { Session } from "./leaseSessions.ts"

/** `In`: the key was created at `revision`; `line` is what was read of the line in the same step. */
export type Entered =
  | { readonly _tag: "In"; readonly revision: bigint; readonly line: EtcdOp.RangeResult | undefined }
  | { readonly _tag: "Busy" }
  | { readonly _tag: "Mismatch"; readonly limit: number }

const put = (place: Place, session: Session) =>
  EtcdOp.put({ key: place.key, value: place.note(place.claim.value), lease: session.id })

/** Stands in line, unless those who are there name another limit: one round trip. Reads at most `read` keys of the line. */
export const standInLine = (
  etcd: Etcd["Service"],
  place: Place,
  session: Session,
  read: number
): Effect.Effect<Entered, EtcdError> => {
  const others = Keys.otherLimits(place.room, place.claim.limit)
  const first = (range: EtcdOp.KeyRange) => EtcdOp.range({ ...range, limit: 1, keysOnly: true })
  return Effect.map(
    etcd.txn({
      compare: [
        EtcdOp.compare(place.key, "createRevision", "=", 0n),
        ...others.map((range) => EtcdOp.compare(range, "createRevision", "=", 0n))
      ],
      success: [put(place, session), EtcdOp.range({ ...EtcdOp.prefix(place.room), limit: read, keysOnly: true })],
      failure: [first({ key: place.key }), first(others[0]), first(others[1])]
    }),
    ({ responses, revision, succeeded }): Entered => {
      if (succeeded) return { _tag: "In", revision, line: { ...responses[1], revision } }
      const own = responses[0].kvs[0]
      if (own !== undefined) return { _tag: "In", revision: own.createRevision, line: undefined }
      const other = Keys.entriesOf(place.room, [...responses[1].kvs, ...responses[2].kvs])[0]
      return other === undefined ? { _tag: "Busy" } : { _tag: "Mismatch", limit: other.limit }
    }
  )
}

/** How often `takeIfFree` reads the line again because another claim came while it looked. */
const attempts = 8

/** How much of a line for a whole resource is read: one key that is not about to leave tells enough. */
const enough = 16

/**
 * Takes the permits if they are free and nobody waits; never leaves a key when it does not get them.
 *
 * A free resource is one round trip. Else it reads who is there, and then goes in on condition that nobody came since:
 * those who left meanwhile only make room, and so do those in `leaving`.
 */
export const takeIfFree = (
  etcd: Etcd["Service"],
  place: Place,
  session: Session,
  leaving: Keys.Leaving,
  seen = 0n,
  left = attempts
): Effect.Effect<Entered, EtcdError> => {
  const line = EtcdOp.prefix(place.room)
  return Effect.flatMap(
    etcd.txn({
      compare: [EtcdOp.compare(line, "createRevision", "<", seen + 1n)],
      success: [put(place, session)],
      failure: [
        EtcdOp.range({ ...line, keysOnly: true, limit: place.claim.limit === 1 ? enough : undefined })
      ]
    }),
    ({ responses: [there], revision, succeeded }): Effect.Effect<Entered, EtcdError> => {
      if (succeeded) return Effect.succeed({ _tag: "In", revision, line: undefined })
      if (!("kvs" in there)) return Effect.succeed({ _tag: "Busy" })
      const entries = Keys.entriesOf(place.room, there.kvs).filter((entry) => !leaving.has(entry.key))
      const other = entries.find((entry) => entry.limit !== place.claim.limit)
      if (other !== undefined) return Effect.succeed({ _tag: "Mismatch", limit: other.limit })
      const used = entries.reduce((sum, entry) => sum + entry.permits, 0)
      return used + place.claim.permits > place.claim.limit || there.more || left === 1
        ? Effect.succeed({ _tag: "Busy" })
        : takeIfFree(etcd, place, session, leaving, revision, left - 1)
    }
  )
}

/** Reads who stands up to the place, and the place itself. */
export const readAhead = (etcd: Etcd["Service"], place: Place): Effect.Effect<EtcdOp.RangeResult, EtcdError> =>
  etcd.range({ ...EtcdOp.prefix(place.room), maxCreateRevision: place.revision, keysOnly: true })

/** etcd takes at most 128 operations in a transaction, if it is not told otherwise. */
const chunk = 100

/** Which places still have their keys; one round trip that writes nothing, for up to 100. */
export const present = (
  etcd: Etcd["Service"],
  places: ReadonlyArray<Place>
): Effect.Effect<ReadonlySet<Place>, EtcdError> =>
  Effect.map(
    Effect.forEach(
      Array.from(
        { length: Math.ceil(places.length / chunk) },
        (_, index) => places.slice(index * chunk, (index + 1) * chunk)
      ),
      (some) =>
        Effect.map(
          etcd.txn({
            compare: some.map((place) => EtcdOp.compare(place.key, "createRevision", "=", place.revision)),
            failure: some.map((place) => EtcdOp.range({ key: place.key, countOnly: true }))
          }),
          ({ responses, succeeded }) => succeeded ? some : some.filter((_, index) => responses[index]?.count === 1n)
        ),
      { concurrency: "unbounded" }
    ),
    (found) => new Set(found.flat())
  )
