import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { Etcd } from "../Etcd.ts"
import type { Compacted, EtcdError } from "../EtcdError.ts"
import * as EtcdOp from "../EtcdOp.ts"
import * as Keys from "./leaseKeys.ts"

/** The line of one resource as this process last saw it, in order of arrival. */
export class View {
  readonly room: string
  readonly entries = new Map<string, Keys.Entry>()
  /** Everything up to this revision is in it. */
  revision = 0n
  constructor(room: string) {
    this.room = room
  }

  /** Starts again from what a read found. */
  reset({ kvs, revision }: Pick<EtcdOp.RangeResult, "kvs" | "revision">): void {
    this.entries.clear()
    this.revision = revision
    for (const entry of Keys.entriesOf(this.room, kvs)) this.entries.set(entry.key, entry)
  }

  /** Brings a change in. A key keeps its place when its value changes; one made anew goes to the end. */
  apply(type: "put" | "delete", kv: EtcdOp.KeyValue): void {
    if (kv.modRevision <= this.revision) return
    const entry = Keys.entryOf(this.room, kv)
    if (entry === undefined) return
    if (this.entries.get(entry.key)?.revision !== entry.revision || type === "delete") this.entries.delete(entry.key)
    if (type === "put") this.entries.set(entry.key, entry)
  }

  /** Those whose permits fit, together with all before them: they hold, everybody else waits. Who leaves does not count. */
  *holders(leaving: Keys.Leaving): Generator<Keys.Entry> {
    let sum = 0
    for (const entry of this.entries.values()) {
      if (leaving.has(entry.key)) continue
      sum += entry.permits
      if (sum > entry.limit) return
      yield entry
    }
  }
}

/**
 * Keeps a view of a resource's line up to date, and tells after each change. `snapshot` is the line as a read of just now
 * found it.
 *
 * The watch begins with the present and not with the snapshot's revision: etcd brings a watch of the past up to date in a
 * loop of 100 ms. What was missed between the two is read once more.
 */
export const follow = (
  etcd: Etcd["Service"],
  view: View,
  snapshot: Pick<EtcdOp.RangeResult, "kvs" | "revision"> | undefined,
  keysOnly: boolean,
  changed: () => void
): Effect.Effect<never, EtcdError> => {
  const range = EtcdOp.prefix(view.room)
  const from = (known: typeof snapshot): Effect.Effect<never, EtcdError | Compacted> =>
    Effect.scoped(Effect.gen(function*() {
      const watch = yield* etcd.watch(range)
      view.reset(
        known !== undefined && watch.revision <= known.revision ? known : yield* etcd.range({ ...range, keysOnly })
      )
      for (;;) {
        changed()
        for (const batch of yield* Queue.takeAll(watch.batches)) {
          for (const event of batch.events) view.apply(event.type, event.kv)
          if (batch.revision > view.revision) view.revision = batch.revision
        }
      }
    }))
  return Effect.catchTag(from(snapshot), "Compacted", () => follow(etcd, view, undefined, keysOnly, changed))
}
