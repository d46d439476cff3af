/**
 * Keeps values of one type in the order in which they were appended, to be read from the start, from any place, and live.
 *
 * A log has a name and a schema. Nothing is taken out of it by reading: each reader begins where it wants, sees every entry from
 * there on once and in order, and then those that come, without a gap between the two. A consumer has a name under which the store
 * keeps its position: up to there all entries are finished, and from there the next process goes on.
 *
 * **When to use**
 *
 * For what others must be able to read again: the events a view is built from, the messages of a chat with their history, changes
 * that several services follow each at its own pace. News that nobody needs later is told by a `Topic`; work that any one of many
 * processes takes is a job of `WorkQueue`.
 *
 * **Gotchas**
 *
 * - An entry is handled at least once. After a crash those behind the position are handled again: let the handler bear that.
 * - One process at a time is the consumer of a name, the one who came last. Where several are to stand by, run it under
 *   `LeaderElection.runAsLeader`.
 * - Without `retention` a log grows for ever.
 *
 * **Example** (History, then live)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Log, LogStore } from "heddle/messaging"
 *
 * const room = Log.make({ name: "room", payload: Schema.String })
 *
 * const program = Effect.gen(function*() {
 *   yield* room.appendAll(["one", "two", "three"])
 *   const entries = yield* room.read({ from: { last: 2 } })
 *   yield* room.append("four")
 *   const seen = yield* Stream.runCollect(Stream.take(entries, 3))
 *   return seen.map(({ value }) => value)
 * })
 *
 * await program.pipe(Effect.provide(LogStore.layerMemory), Effect.runPromise)
 * // => ["two", "three", "four"]
 * ```
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { InvalidOption } from "../internal/InvalidOption.ts"
import type { DeadlineExceeded, MalformedDeadline } from "../resilience/Deadline.ts"
import { makeLog } from "./internal/log.ts"
import { served } from "./internal/topicTrace.ts"
import type {
  AppendError,
  ConsumerReplaced,
  From,
  Headers,
  Retention,
  StoreUnavailable,
  Trimmed,
  Undecodable
} from "./LogEntry.ts"
import type { LogStore, ReadError } from "./LogStore.ts"

/**
 * What a log is called, what is in it, and what is kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A> {
  /** Tokens of letters, digits and `_ - : /` with `.` between them, 1 to 200 characters. */
  readonly name: string
  /** Values travel as JSON. */
  readonly payload: Schema.Codec<A, unknown>
  /** What is kept when more is appended. Default: all. */
  readonly retention?: Retention | undefined
}

/**
 * What a value is appended with.
 *
 * @category models
 * @since 0.1.0
 */
export interface AppendOptions {
  /** Beside the trace and the deadline, which travel by themselves. */
  readonly headers?: Headers | undefined
}

/**
 * A value of a log.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry<A> {
  readonly value: A
  /** Grows with each entry of the log. */
  readonly offset: bigint
  /** When it was appended, in milliseconds since 1970 by the store's clock. */
  readonly time: number
  readonly headers: Headers
}

/**
 * Where to begin, and what to do with what is no value.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReadOptions<E = never, R = never> {
  /** Default `oldest`. */
  readonly from?: From | undefined
  /** What is done with an entry that is no value of the log. Where it fails, the stream does. Default: a warning in the log of the program. */
  readonly onUndecodable?: ((undecodable: Undecodable) => Effect.Effect<void, E, R>) | undefined
}

/**
 * How the entries are worked on.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConsumeOptions<E = never, R = never, ET = never, RT = never> {
  /** How many entries are worked on at a time, 1 to 1,000. With more than one they may end in any order. Default 1. */
  readonly concurrency?: number | undefined
  /** Where a name begins that has no position yet. Default `oldest`. */
  readonly from?: From | undefined
  /**
   * What is done with an entry that is no value of the log. It is finished where this succeeds, and where it fails the consumer stops
   * at it. Default: a warning in the log of the program.
   */
  readonly onUndecodable?: ((undecodable: Undecodable) => Effect.Effect<void, E, R>) | undefined
  /** What is done where entries behind the position are gone. It goes on with the oldest where this succeeds. Default: it fails with `Trimmed`. */
  readonly onTrimmed?: ((trimmed: Trimmed) => Effect.Effect<void, ET, RT>) | undefined
}

/**
 * Values of one type, in the order in which they were appended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Log<A> {
  readonly name: string
  /**
   * Appends a value, and answers its offset. When it returns the store has it.
   *
   * **Interruption**
   *
   * The value may have been appended.
   */
  readonly append: (
    value: A,
    options?: AppendOptions
  ) => Effect.Effect<bigint, AppendError | InvalidOption, LogStore>
  /**
   * Appends values in order, in one request, and answers their offsets. One that cannot be encoded refuses all.
   *
   * **Interruption**
   *
   * Some may have been appended, those before the others.
   */
  readonly appendAll: (
    values: ReadonlyArray<A>,
    options?: AppendOptions
  ) => Effect.Effect<ReadonlyArray<bigint>, AppendError | InvalidOption, LogStore>
  /**
   * The entries from a place on: those that are there, and then those that come. The place is fixed when this returns: nothing that
   * is appended after that is missed. The stream does not end; each run of it begins at the place, and a slow one keeps nobody waiting.
   * It goes on over lost connections, and fails with `Trimmed` where entries are no longer kept.
   *
   * **Interruption**
   *
   * Nothing is left.
   */
  readonly read: <E = never, R = never>(
    options?: ReadOptions<E, R>
  ) => Effect.Effect<Stream.Stream<Entry<A>, E | StoreUnavailable | Trimmed, R>, InvalidOption | ReadError, LogStore>
  /**
   * Works on every entry behind the position of a name, and moves the position on when entries are finished: never past one that is
   * not, though later ones may be. At most 1,024 entries are worked on or finished behind the first that is not. Does not end.
   *
   * **Details**
   *
   * It fails as the handler does, and the position is before that entry then: give the handler a `retry`, or let it put what it cannot
   * handle elsewhere. Whoever consumes under the same name later, in any process, takes over: this one fails with `ConsumerReplaced`
   * when it has finished something, and cannot move the position. While the store is away nothing is lost: commits are tried again.
   *
   * The deadline of who appended is not kept to, since an entry is to be finished however late; `Log.handle` keeps to it.
   *
   * **Interruption**
   *
   * Interrupts the handlers, and then commits what is finished.
   */
  readonly consume: <E, R, EU = never, RU = never, ET = never, RT = never>(
    consumer: string,
    handler: (entry: Entry<A>) => Effect.Effect<void, E, R>,
    options?: ConsumeOptions<EU, RU, ET, RT>
  ) => Effect.Effect<
    never,
    E | EU | ET | ConsumerReplaced | InvalidOption | ReadError | Trimmed,
    LogStore | R | RU | RT
  >
  /** Up to which offset a consumer has finished all; none where it never has. */
  readonly position: (consumer: string) => Effect.Effect<Option.Option<bigint>, ReadError, LogStore>
}

/**
 * Names a log. Nothing is asked of a store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: <A>(options: Options<A>) => Log<A> = makeLog

/**
 * Works on an entry within the time that who appended it had left, counted from now, and in a span below the one it was appended in.
 *
 * **Interruption**
 *
 * Interrupts the effect.
 *
 * @category handlers
 * @since 0.1.0
 */
export const handle = (entry: Pick<Entry<unknown>, "headers" | "offset">) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | DeadlineExceeded | MalformedDeadline, R> =>
  served("Log.handle", { headers: entry.headers, subject: String(entry.offset) }, effect)
