import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Change, Entries, Entry, Snapshot } from "../Kv.ts"
import type { Target } from "../KvBackend.ts"
import type { Changed, Entry as Raw, Range, Undecodable } from "../KvEntry.ts"
import { compareKeys } from "../KvMachine.ts"
import type { KvStore, ReadError } from "../KvStore.ts"

/** A store as one who knows its values sees it. */
export interface View<A, RD> {
  readonly store: KvStore["Service"]
  /** What the caller calls a key of the store. */
  readonly nameOf: (key: string) => string
  readonly decode: (entry: Raw) => Effect.Effect<Entry<A>, Undecodable, RD>
  readonly missed: Effect.Effect<void>
}

/** The entries that are values, and those that are not. */
export const typed = <A, RD>(
  view: View<A, RD>,
  { entries, revision }: Pick<Range, "entries" | "revision">
): Effect.Effect<Entries<A>, never, RD> =>
  Effect.map(Effect.partition(entries, view.decode), ([entries, undecodable]) => ({ entries, undecodable, revision }))

/** A snapshot and then the changes behind it, and the same again whenever changes are gone. */
export const follow = <A, RD>(view: View<A, RD>, target: Target): Stream.Stream<Change<A>, ReadError, RD> =>
  Stream.suspend(() => {
    let missed = false
    const once = Stream.unwrap(Effect.map(readAll(view.store, target), (parts) => {
      const [{ revision }] = parts
      const watch = target.prefix ? view.store.watchPrefix : view.store.watch
      const changes = Stream.mapEffect(
        watch(target.key, { from: revision + 1n }),
        (changed) => tell(view, parts, changed)
      )
      return Stream.concat(Stream.fromEffect(snapshot(view, parts, missed)), Stream.flattenIterable(changes))
    }))
    const compacted = Effect.suspend(() => {
      missed = true
      return view.missed
    })
    return once.pipe(
      Stream.tapError(({ _tag }) => _tag === "Compacted" ? compacted : Effect.void),
      Stream.retry(($) => Schedule.while($(Schedule.forever), ({ input }) => input._tag === "Compacted")),
      Stream.catchTag("Compacted", Stream.die)
    )
  })

/** What was read of the target in one round trip: all keys up to `last`, and at the end all that there are. */
interface Part extends Pick<Range, "entries" | "revision"> {
  readonly last: string | undefined
}

type Parts = Arr.NonEmptyReadonlyArray<Part>

const readAll = (store: KvStore["Service"], { key, prefix }: Target): Effect.Effect<Parts, ReadError> => {
  if (!prefix) {
    return Effect.map(
      store.range(key, { limit: 1 }),
      ({ entries, revision }) => [{ entries: entries.filter((entry) => entry.key === key), revision, last: undefined }]
    )
  }
  const behind = (after: string | undefined): Effect.Effect<Parts, ReadError> =>
    Effect.flatMap(store.range(key, { after }), ({ entries, more, revision }): Effect.Effect<Parts, ReadError> => {
      const last = more ? entries.at(-1)?.key : undefined
      const part = { entries, revision, last }
      return last === undefined ? Effect.succeed([part]) : Effect.map(behind(last), (rest) => [part, ...rest])
    })
  return behind(undefined)
}

const snapshot = <A, RD>(
  view: View<A, RD>,
  parts: Parts,
  missed: boolean
): Effect.Effect<Snapshot<A>, never, RD> => {
  const entries = parts.flatMap(({ entries }) => entries)
  const { revision } = Arr.lastNonEmpty(parts)
  return Effect.map(typed(view, { entries, revision }), (all) => ({ _tag: "Snapshot", ...all, missed }))
}

/**
 * A part may be of a later revision than the first, from which is watched: it has the changes up to then of the keys in
 * it. Those of the first are behind it all.
 */
const isOld = (parts: Parts, revision: bigint, key: string): boolean =>
  parts.length > 1 &&
  parts.some((part, at) =>
    (part.last === undefined || compareKeys(key, part.last) <= 0) &&
    (at === 0 || compareKeys(key, parts[at - 1]?.last ?? "") > 0) &&
    revision <= part.revision
  )

const tell = <A, RD>(
  view: View<A, RD>,
  parts: Parts,
  { changes, revision }: Changed
): Effect.Effect<ReadonlyArray<Change<A>>, never, RD> =>
  Effect.forEach(
    changes.filter((change) => !isOld(parts, revision, change._tag === "Put" ? change.entry.key : change.key)),
    (change): Effect.Effect<Change<A>, never, RD> =>
      change._tag === "Put"
        ? Effect.match(view.decode(change.entry), {
          onSuccess: (entry) => ({ _tag: "Put", entry }),
          onFailure: (undecodable) => undecodable
        })
        : Effect.succeed({ _tag: "Delete", key: view.nameOf(change.key), revision })
  )
