/**
 * What a backend fills so that `LogStore.layerOf` can build the service on it.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Entry, From, Headers, StoreUnavailable, Trimmed } from "./LogEntry.ts"

/**
 * An entry to append, checked.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Appended {
  readonly payload: Uint8Array
  readonly headers: Headers
}

/**
 * What is kept at least: so many entries, and those of so many milliseconds; `Infinity` where it has no bound.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Kept {
  readonly count: number
  readonly age: number
}

/**
 * A place in a log, before the entry with that offset or a greater one. All entries from `since` on are wanted, and if some are gone that is
 * told; before it, it begins with the first that is kept. `since` is the end that the log had when the place was found, or the offset itself.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Place {
  readonly offset: bigint
  readonly since: bigint
}

/**
 * Who may move a position, and where it is: up to which offset all is finished. Undefined: it was never moved.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Attached {
  readonly token: bigint
  readonly position: bigint | undefined
}

/**
 * The steps that a backend fills. A log is there from its first entry or consumer on.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Steps {
  /** Appends in order, and lets go of what need not be kept. It is sent once: after a failure it may have been carried out, or a part. */
  readonly append: (
    log: string,
    entries: ReadonlyArray<Appended>,
    keep: Kept
  ) => Effect.Effect<ReadonlyArray<bigint>, StoreUnavailable>
  /** The place that is meant now. An offset is one already. */
  readonly place: (log: string, from: Exclude<From, { offset: bigint }>) => Effect.Effect<Place, StoreUnavailable>
  /**
   * Every entry from the place on, once and in order, first those that are there and then those that come, also over reconnects. Fails
   * with `Trimmed` when some are gone, never passes over them. Each run begins at the place.
   */
  readonly tail: (log: string, place: Place) => Stream.Stream<Entry, StoreUnavailable | Trimmed>
  /** Makes whoever asks the consumer of that name, with a token above all before. */
  readonly attach: (log: string, consumer: string) => Effect.Effect<Attached, StoreUnavailable>
  /** Moves the position on, never back; false where the token is not that of the last one who was attached. */
  readonly commit: (
    log: string,
    consumer: string,
    token: bigint,
    offset: bigint
  ) => Effect.Effect<boolean, StoreUnavailable>
  readonly position: (log: string, consumer: string) => Effect.Effect<bigint | undefined, StoreUnavailable>
}

/**
 * What a backend brings; core checks the input.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Backend<E, R> {
  /** The backend's name. */
  readonly backend: string
  /** The most bytes that a payload and its headers may have together. */
  readonly maxBytes: number
  readonly steps: Effect.Effect<Steps, E, R | Scope.Scope>
}
