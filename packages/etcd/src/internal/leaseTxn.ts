/** The steps in which a claim comes into a line and leaves it: each is atomic on the server. */
import * as Effect from "effect/Effect"
import type { Etcd } from "../Etcd.ts"
import type { EtcdError } from "../EtcdError.ts"
import * as EtcdOp from "../EtcdOp.ts"
import * as Keys from "./leaseKeys.ts"
import type { Leaving } from "./leaseLeaving.ts"
import type { Place } from "./leasePlace.ts"
import type { Session } from "./leaseSessions.ts"
import { View } from "./leaseView.ts"

/**
 * `In`: the key was created at `revision`; `view` is the whole line as it was then, where that is known, and `long` says that
 * it is too long for the claim to be first.
 */
export type Entered =
  | { readonly _tag: "In"; readonly revision: bigint; readonly view: View | undefined; readonly long: boolean }
  | { readonly _tag: "Busy" }
  | { readonly _tag: "Mismatch"; readonly limit: number }

/** How much of a line is read along with a step. Of one for a whole resource a few tell enough. */
const most = ({ claim }: Place): number => claim.limit === 1 ? 17 : 256

export const readOps = (room: string, range: Omit<EtcdOp.RangeRequest, "key">) =>
  [EtcdOp.range({ ...Keys.line(room), ...range, keysOnly: true }), EtcdOp.range(Keys.beside(room))] as const

/** Reads the oldest claims. */
export const oldestOps = (place: Place) => readOps(place.room.name, { sortBy: "createRevision", limit: most(place) })

/** The line as far as the oldest claims tell: up to its `revision`. */
export const oldestOf = (
  place: Place,
  [line, beside]: readonly [EtcdOp.RangeResult, EtcdOp.RangeResult, ...ReadonlyArray<unknown>],
  revision: bigint
): View => {
  const view = View.of(place.room.name, revision, line, beside)
  if (line.more) view.revision = [...view.entries.values()].at(-1)?.revision ?? 0n
  return view
}

const put = (place: Place, session: Session) =>
  EtcdOp.put({ key: place.key, value: place.note(place.value), lease: session.id })

/** The key that a session lives by; its first claim writes it. */
export const announce = (prefix: string, session: Session) =>
  EtcdOp.put({ key: Keys.sessionKey(prefix, session.id), value: "", lease: session.id })

/** Stands in line, unless those who are there name another limit: one round trip. */
export const standInLine = (
  etcd: Etcd["Service"],
  prefix: string,
  place: Place,
  session: Session
): Effect.Effect<Entered, EtcdError> => {
  const { claim, key, room: { name } } = place
  const others = Keys.otherLimits(name, claim.limit)
  const first = (range: EtcdOp.KeyRange) => EtcdOp.range({ ...range, limit: 1, keysOnly: true })
  return Effect.map(
    etcd.txn({
      compare: [
        EtcdOp.compare(key, "createRevision", "=", 0n),
        ...others.map((range) => EtcdOp.compare(range, "createRevision", "=", 0n))
      ],
      success: [
        put(place, session),
        ...readOps(name, { limit: most(place) }),
        ...(session.announced ? [] : [announce(prefix, session)])
      ],
      failure: [first({ key }), first(others[0]), first(others[1])]
    }),
    ({ responses, revision, succeeded }): Entered => {
      if (succeeded) {
        session.announced = true
        const [, line, beside] = responses
        const view = View.of(name, revision, line, beside)
        const long = line.more && claim.limit === 1 && view.size === undefined
        return { _tag: "In", revision, view: line.more ? undefined : view, long }
      }
      const own = responses[0].kvs[0]
      if (own !== undefined) return { _tag: "In", revision: own.createRevision, view: undefined, long: false }
      const other = Keys.entriesOf(name, [...responses[1].kvs, ...responses[2].kvs])[0]
      return other === undefined ? { _tag: "Busy" } : { _tag: "Mismatch", limit: other.limit }
    }
  )
}

/** How often `takeIfFree` reads the line again because another claim came while it looked. */
const attempts = 8

/**
 * Takes the permits if they are free and nobody waits; never leaves a key when it does not get them.
 *
 * A free resource is one round trip. Else it reads who is there, and then goes in on condition that nobody came since:
 * those who left meanwhile only make room, and so do those in `leaving`.
 */
export const takeIfFree = (
  etcd: Etcd["Service"],
  prefix: string,
  place: Place,
  session: Session,
  leaving: Leaving,
  seen: { readonly revision: bigint; readonly size: Keys.Size | undefined } = { revision: 0n, size: undefined },
  left = attempts
): Effect.Effect<Entered, EtcdError> => {
  const { claim, room: { name } } = place
  const size = Keys.sizeKey(name)
  return Effect.flatMap(
    etcd.txn({
      compare: [
        EtcdOp.compare(Keys.line(name), "createRevision", "<", seen.revision + 1n),
        seen.size === undefined
          ? EtcdOp.compare(size, "createRevision", "=", 0n)
          : EtcdOp.compareValue(size, "=", Keys.encodeSize(seen.size))
      ],
      success: [put(place, session), ...(session.announced ? [] : [announce(prefix, session)])],
      failure: readOps(name, { limit: claim.limit === 1 && seen.size === undefined ? most(place) : undefined })
    }),
    ({ responses, revision, succeeded }): Effect.Effect<Entered, EtcdError> => {
      if (succeeded) {
        session.announced = true
        return Effect.succeed({ _tag: "In", revision, view: undefined, long: false })
      }
      const [line, beside] = responses
      const view = View.of(name, revision, line, beside)
      const entries = [...view.entries.values()].filter((entry) => !leaving.has(entry.key))
      const other = entries.find((entry) => entry.limit !== claim.limit)
      if (other !== undefined) return Effect.succeed({ _tag: "Mismatch", limit: other.limit })
      const used = entries.reduce((sum, entry) => sum + view.permits(entry), 0)
      if (used + claim.permits > (view.size?.limit ?? claim.limit) || left === 1) return Effect.succeed(busy)
      if (!line.more) return takeIfFree(etcd, prefix, place, session, leaving, view, left - 1)
      // Only where it was resized can so many hold: the whole line tells.
      return view.size === undefined
        ? Effect.succeed(busy)
        : takeIfFree(etcd, prefix, place, session, leaving, { revision: 0n, size: view.size }, left - 1)
    }
  )
}

const busy: Entered = { _tag: "Busy" }

/** Reads a line; `upTo` leaves out those who came later. */
export const read = (etcd: Etcd["Service"], room: string, upTo?: bigint): Effect.Effect<View, EtcdError> => {
  const both = readOps(room, { maxCreateRevision: upTo })
  return Effect.map(
    etcd.txn({ success: both, failure: both }),
    ({ responses, revision }) => View.of(room, revision, ...responses)
  )
}

/** Reads the oldest of a line. */
export const readOldest = (etcd: Etcd["Service"], place: Place): Effect.Effect<View, EtcdError> => {
  const both = oldestOps(place)
  return Effect.map(
    etcd.txn({ success: both, failure: both }),
    ({ responses, revision }) => oldestOf(place, responses, revision)
  )
}

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
