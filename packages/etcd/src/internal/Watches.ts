/** Watches keys: every watch of the process on one stream, each going on by itself after the stream broke. */
import type { MessageInitShape } from "@bufbuild/protobuf"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { Compacted } from "../EtcdError.ts"
import type { EtcdError } from "../EtcdError.ts"
import type { KeyRange, KeyValue } from "../EtcdOp.ts"
import type { Channel } from "./Channel.ts"
import { method } from "./Channel.ts"
import * as Duplex from "./Duplex.ts"
import * as Failure from "./Failure.ts"
import * as Proto from "./proto/etcd_pb.ts"
import * as Wire from "./Wire.ts"

/**
 * What to watch.
 *
 * @since 0.1.0
 * @category models
 */
export interface WatchRequest extends KeyRange {
  /** The first revision to report. Default: the one after the present. */
  readonly startRevision?: bigint | undefined
  /** Only puts, or only deletions. Default: both. */
  readonly only?: "put" | "delete" | undefined
  /** Report the value before with each event. Default: false. */
  readonly prevKv?: boolean | undefined
}

/**
 * One change of one key.
 *
 * @since 0.1.0
 * @category models
 */
export interface WatchEvent {
  readonly type: "put" | "delete"
  /** For a deletion only `key` and `modRevision`, the revision of the deletion, mean something. */
  readonly kv: KeyValue
  /** What the key was before, if it was asked for and still is known. */
  readonly prevKv: KeyValue | undefined
}

/**
 * Events in the order of their revisions, all events of a revision together.
 *
 * While nothing happens to the keys, etcd now and then (every ten minutes, if it is not told otherwise) tells the store's
 * revision in a batch without events.
 *
 * @since 0.1.0
 * @category models
 */
export interface WatchBatch {
  /** Everything up to this revision has been reported. */
  readonly revision: bigint
  readonly events: ReadonlyArray<WatchEvent>
}

/**
 * A watch that etcd has confirmed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Watch {
  /** The store's revision when the watch began. */
  readonly revision: bigint
  /**
   * What happens, without a gap and without a repetition. Fails when the watch cannot go on; with `Exhausted`, after all that it
   * has, when its reader is 4,096 batches behind: etcd remembers the rest, so watch again from the revision after the last.
   */
  readonly batches: Queue.Dequeue<WatchBatch, EtcdError | Compacted>
}

interface Entry {
  id: bigint
  readonly request: WatchRequest
  readonly created: Deferred.Deferred<bigint, EtcdError | Compacted>
  readonly batches: Queue.Queue<WatchBatch, EtcdError | Compacted>
  /** The first revision that has not been reported, 0 while that is not known. */
  next: bigint
  /** Whether the store may be beyond `next` already. */
  past: boolean
}

// What a reader that does not read may cost: the rest stays with etcd.
const backlog = 4096

const watchMethod = method(Proto.Watch.method.watch)

export const make = Effect.fnUntraced(function*(
  channel: Channel
): Effect.fn.Return<
  (request: WatchRequest) => Effect.Effect<Watch, EtcdError | Compacted, Scope.Scope>,
  never,
  Scope.Scope
> {
  const entries = new Map<bigint, Entry>()
  // The creations that the open stream has not answered yet, in their order: a refusal does not always carry the id.
  let creating: Array<Entry> = []
  let lastId = 0n
  let broken: EtcdError | undefined

  const duplex = yield* Duplex.make(channel, watchMethod, {
    wanted: () => entries.size > 0,
    opened: (send) => {
      creating = []
      for (const entry of entries.values()) {
        send(creation(entry))
        creating.push(entry)
      }
    },
    received: (response) => {
      broken = undefined
      const entry = response.created ? creating.shift() : entries.get(response.watchId)
      if (entry === undefined || !entries.has(entry.id)) return
      if (response.canceled) return fail(entry, refusal(response))
      const revision = response.header?.revision ?? 0n
      if (response.created) {
        if (entry.next === 0n) entry.next = revision + 1n
        const known = entry.past
        entry.past = true
        if (!known && entry.next <= revision) return begin(entry)
        Deferred.doneUnsafe(entry.created, Effect.succeed(revision))
        return
      }
      const reported = response.events.at(-1)?.kv?.modRevision ?? revision
      if (reported < entry.next) return
      const { next } = entry
      entry.next = reported + 1n
      const events = response.events.flatMap(event).filter(({ kv }) => kv.modRevision >= next)
      if (Queue.sizeUnsafe(entry.batches) < backlog) {
        Queue.offerUnsafe(entry.batches, { revision: reported, events })
      } else {
        end(entry)
        fail(entry, Failure.of("Exhausted", `the reader of a watch is ${backlog} batches behind`))
      }
    },
    broke: (error) => {
      broken = error
    }
  })

  const fail = (entry: Entry, error: EtcdError | Compacted) => {
    entries.delete(entry.id)
    Deferred.doneUnsafe(entry.created, Effect.fail(error))
    Queue.failCauseUnsafe(entry.batches, Cause.fail(error))
  }

  const end = (entry: Entry) => {
    if (entries.delete(entry.id)) {
      duplex.send({ requestUnion: { case: "cancelRequest", value: { watchId: entry.id } } })
    }
  }

  /** Begins a watch under an id that it has not had: answers to the one before are nobody's. */
  const begin = (entry: Entry) => {
    end(entry)
    entry.id = ++lastId
    entries.set(entry.id, entry)
    if (duplex.send(creation(entry))) creating.push(entry)
  }

  const enter = (request: WatchRequest) =>
    Effect.map(Queue.unbounded<WatchBatch, EtcdError | Compacted>(), (batches) => {
      const next = request.startRevision ?? 0n
      const entry: Entry = { id: 0n, request, created: Deferred.makeUnsafe(), batches, next, past: false }
      begin(entry)
      return entry
    })

  const closed = Failure.of("Closed", watchMethod.path)
  yield* Effect.addFinalizer(() => Effect.sync(() => entries.forEach((entry) => fail(entry, closed))))

  return Effect.fnUntraced(function*(request) {
    const entry = yield* Effect.acquireRelease(
      enter(request),
      (entry) => Effect.andThen(Effect.sync(() => end(entry)), Queue.shutdown(entry.batches))
    )
    const revision = yield* Deferred.await(entry.created).pipe(
      Effect.timeoutOrElse({
        duration: channel.timeout,
        orElse: () => Effect.fail(broken ?? Failure.of("DeadlineExceeded", watchMethod.path))
      }),
      Effect.onError(() => Effect.sync(() => end(entry)))
    )
    return { revision, batches: entry.batches }
  })
})

/**
 * The deletions of the revision that was compacted are gone, yet many versions of etcd take a watch from it and pass over them.
 * So what is in the past is watched from one revision earlier.
 */
const creation = ({ id, next, past, request }: Entry): MessageInitShape<typeof Proto.WatchRequestSchema> => ({
  requestUnion: {
    case: "createRequest",
    value: {
      key: Wire.bytes(request.key),
      rangeEnd: Wire.rangeEnd(request),
      startRevision: past && next > 1n ? next - 1n : next,
      // Without it a quiet watch would go on from where it began, which may long be compacted.
      progressNotify: true,
      filters: request.only === undefined ? [] : [filters[request.only]],
      prevKv: request.prevKv ?? false,
      watchId: id
    }
  }
})

const filters = {
  put: Proto.WatchCreateRequest_FilterType.NODELETE,
  delete: Proto.WatchCreateRequest_FilterType.NOPUT
}

const event = ({ kv, prevKv, type }: Proto.Event): WatchEvent | [] =>
  kv === undefined ? [] : { type: type === Proto.Event_EventType.DELETE ? "delete" : "put", kv, prevKv }

const refusal = ({ cancelReason, compactRevision }: Proto.WatchResponse): EtcdError | Compacted => {
  if (compactRevision > 0n) return new Compacted({ compactRevision })
  return Failure.of(
    cancelReason.includes("permission denied") ? "PermissionDenied" : "Refused",
    cancelReason === "" ? "etcd ended the watch" : cancelReason
  )
}
