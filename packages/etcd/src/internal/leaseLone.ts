import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { Etcd } from "../Etcd.ts"
import type { EtcdError } from "../EtcdError.ts"
import * as EtcdOp from "../EtcdOp.ts"
import * as Keys from "./leaseKeys.ts"
import { isPassing, pause } from "./leaseLine.ts"
import type { Place, Turn } from "./leasePlace.ts"

/**
 * Waits by itself for the whole of a resource: however long the line is, a hand-over wakes two waiters.
 *
 * Beside its own key it watches the claim two places ahead. When that ends, it looks who is left, while the one just ahead holds; then it
 * watches that one, and holds when it ends without another request. A claim that merely gave up is found by the look.
 *
 * A watch begins with the present, see `follow`: if something happened since the look, it looks once more.
 */
export const waitAlone = (
  etcd: Etcd["Service"],
  place: Place,
  leaving: Keys.Leaving,
  line: EtcdOp.RangeResult | undefined
): Effect.Effect<Turn, EtcdError> => {
  const see = ({ kvs, revision }: EtcdOp.RangeResult) => {
    const upTo = Keys.entriesOf(place.room, kvs).filter((entry) => entry.revision <= place.revision)
    const there = upTo.at(-1)?.revision === place.revision
    const ahead = upTo.slice(0, -1).filter((entry) => !leaving.has(entry.key))
    return { revision, there, next: ahead.length === 1, key: ahead.at(-2)?.key ?? ahead.at(-1)?.key }
  }
  const look = Effect.map(
    etcd.range({
      ...EtcdOp.prefix(place.room),
      maxCreateRevision: place.revision,
      sortBy: "createRevision",
      descending: true,
      limit: 3,
      keysOnly: true
    }),
    see
  )
  const wait = (seen: ReturnType<typeof see>): Effect.Effect<Turn, EtcdError> => {
    const { key } = seen
    if (!seen.there) return Effect.succeed("gone")
    if (key === undefined) return Effect.succeed("first")
    const watched = Effect.gen(function*() {
      const watch = yield* etcd.watch({ key, only: "delete" })
      if (watch.revision > seen.revision) {
        const now = yield* look
        if (!now.there || now.key !== key || now.next !== seen.next) return now
      }
      const { events } = yield* Queue.take(watch.batches)
      return seen.next && events.length > 0 ? "first" : yield* look
    })
    return Effect.scoped(watched).pipe(
      Effect.catchTag("Compacted", () => look),
      Effect.flatMap((now): Effect.Effect<Turn, EtcdError> => now === "first" ? Effect.succeed(now) : wait(now))
    )
  }
  const alone = Effect.gen(function*() {
    const own = yield* etcd.watch({ key: place.key, only: "delete" })
    const known = line !== undefined && own.revision <= line.revision ? see(line) : yield* look
    const gone = Queue.take(own.batches).pipe(
      Effect.repeat({ until: ({ events }) => events.length > 0 }),
      Effect.as("gone" as const)
    )
    return yield* Effect.raceFirst(gone, wait(known))
  })
  return Effect.scoped(alone).pipe(
    Effect.catchTag("Compacted", () => waitAlone(etcd, place, leaving, undefined)),
    Effect.retry({ while: isPassing, schedule: pause })
  )
}
