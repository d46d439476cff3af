/**
 * Keeps entries in the order in which they were appended, for everyone who wants to read them, now or later.
 *
 * An entry is bytes with headers. Who reads begins at an offset, a time or the end, and sees every entry from there on once and in
 * order: first what is there, then what comes. A consumer has a name, and the store keeps up to where it is finished. `layerMemory`
 * keeps it in the process, the backend packages keep it on a server.
 *
 * **When to use**
 *
 * For patterns, and where bytes are wanted. `Log` has typed values. What one of many workers must do is a job of `JobStore`.
 *
 * **Gotchas**
 *
 * An append that fails with `StoreUnavailable` may have been made, or the first part of it: put an id into what must not be there
 * twice.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { InvalidOption } from "../internal/InvalidOption.ts"
import { memoryLog } from "./internal/logMemory.ts"
import { checkConsumer, checkEntries, checkFrom, checkLog, checkRetention } from "./internal/logRequest.ts"
import type { Backend } from "./LogBackend.ts"
import {
  type AppendError,
  ConsumerReplaced,
  type Entry,
  type From,
  type InvalidMessage,
  type NewEntry,
  type Retention,
  type StoreUnavailable,
  type Trimmed
} from "./LogEntry.ts"

/**
 * A part of a log, from a place on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reading {
  /** Entries with this offset and greater ones are read. */
  readonly offset: bigint
  /**
   * Every entry from there on, once and in order; it does not end. Each run begins there again, and reads from the store: a slow
   * reader keeps nobody waiting. Fails with `Trimmed` where entries are no longer kept, also when it is too slow.
   */
  readonly entries: Stream.Stream<Entry, StoreUnavailable | Trimmed>
}

/**
 * A consumer who may move the position of its name, until another is attached.
 *
 * @category models
 * @since 0.1.0
 */
export interface Consumer {
  /** Grows with each who is attached under the name. */
  readonly token: bigint
  /** All entries up to this offset are finished. None: none was ever finished. */
  readonly position: Option.Option<bigint>
  /**
   * Moves the position to an offset, never back. It may be sent again.
   *
   * **Interruption**
   *
   * The position may have moved.
   */
  readonly commit: (offset: bigint) => Effect.Effect<void, ConsumerReplaced | StoreUnavailable>
}

/**
 * Why nothing is read.
 *
 * @category errors
 * @since 0.1.0
 */
export type ReadError = InvalidMessage | StoreUnavailable

/**
 * A store of logs. A log is named like a subject: 1 to 200 characters, tokens of letters, digits and `_ - : /`, with `.` between them.
 *
 * @category services
 * @since 0.1.0
 */
export class LogStore extends Context.Service<LogStore, {
  /** The backend's name. */
  readonly backend: string
  /** The most bytes that a payload and its headers may have together. */
  readonly maxBytes: number
  /**
   * Appends entries in order, and answers their offsets. One that is refused refuses all, before anything is sent. Entries that
   * `retention` does not keep are let go.
   *
   * **Interruption**
   *
   * Some of the entries may have been appended, those before the others.
   */
  readonly append: (
    log: string,
    entries: ReadonlyArray<NewEntry>,
    retention?: Retention
  ) => Effect.Effect<ReadonlyArray<bigint>, AppendError | InvalidOption>
  /**
   * A part of the log. Its place is fixed when this returns: nothing that is appended after that is missed, however late it is run.
   *
   * **Interruption**
   *
   * Nothing is left.
   */
  readonly read: (log: string, from: From) => Effect.Effect<Reading, InvalidOption | ReadError>
  /**
   * Becomes the consumer of a name (1 to 100 letters, digits and `_ - : /`): whoever was it before can commit no more.
   *
   * **Interruption**
   *
   * It may have become so, and whoever was it before is replaced.
   */
  readonly attach: (log: string, consumer: string) => Effect.Effect<Consumer, ReadError>
  /** Up to which offset a consumer has finished all. */
  readonly position: (log: string, consumer: string) => Effect.Effect<Option.Option<bigint>, ReadError>
}>()("heddle/LogStore") {}

/**
 * Builds the service from a backend's steps.
 *
 * @category backends
 * @since 0.1.0
 */
export const layerOf = <E, R>(backend: Backend<E, R>): Layer.Layer<LogStore, E, Exclude<R, Scope.Scope>> =>
  Layer.effect(LogStore, make(backend))

/**
 * Keeps logs in this process: the reference that runs the laws first, for tests and for one-process programs. An entry has at most
 * 1,000,000 bytes, as with most servers.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<LogStore> = Layer.suspend(() =>
  layerOf({ backend: "memory", maxBytes: 1_000_000, steps: memoryLog })
)

const make = <E, R>(
  { backend, maxBytes, steps }: Backend<E, R>
): Effect.Effect<LogStore["Service"], E, R | Scope.Scope> =>
  Effect.map(steps, ({ append, attach, commit, place, position, tail }) => ({
    backend,
    maxBytes,
    append: (log, entries, retention = {}) =>
      Effect.suspend((): Effect.Effect<ReadonlyArray<bigint>, AppendError | InvalidOption> => {
        const keep = checkRetention(retention)
        if (keep instanceof InvalidOption) return Effect.fail(keep)
        const checked = checkEntries(log, entries, maxBytes)
        if ("_tag" in checked) return Effect.fail(checked)
        return checked.length === 0 ? Effect.succeed([]) : append(log, checked, keep)
      }),
    read: (log, from) =>
      Effect.suspend((): Effect.Effect<Reading, InvalidOption | ReadError> => {
        const wrong = checkLog(log) ?? checkFrom(from)
        if (wrong !== undefined) return Effect.fail(wrong)
        const found = typeof from === "object" && "offset" in from
          ? Effect.succeed({ offset: from.offset, since: from.offset })
          : place(log, from)
        return Effect.map(found, (place) => ({ offset: place.offset, entries: tail(log, place) }))
      }),
    attach: (log, consumer) =>
      Effect.suspend((): Effect.Effect<Consumer, ReadError> => {
        const wrong = checkLog(log) ?? checkConsumer(consumer)
        if (wrong !== undefined) return Effect.fail(wrong)
        const replaced = new ConsumerReplaced({ log, consumer })
        return Effect.map(attach(log, consumer), ({ position, token }) => ({
          token,
          position: Option.fromUndefinedOr(position),
          commit: (offset) =>
            Effect.flatMap(commit(log, consumer, token, offset), (moved) => moved ? Effect.void : Effect.fail(replaced))
        }))
      }),
    position: (log, consumer) =>
      Effect.suspend((): Effect.Effect<Option.Option<bigint>, ReadError> => {
        const wrong = checkLog(log) ?? checkConsumer(consumer)
        return wrong === undefined
          ? Effect.map(position(log, consumer), Option.fromUndefinedOr)
          : Effect.fail(wrong)
      })
  }))
