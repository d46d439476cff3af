/**
 * Entries of a log, where one can begin to read it, and why a log refuses.
 *
 * An offset numbers an entry of one log; offsets only grow, and there may be numbers between them that no entry has.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import type { Headers } from "./Message.ts"

export {
  type Headers,
  InvalidMessage,
  MessageTooLarge,
  type PublishError as AppendError,
  StoreUnavailable
} from "./Message.ts"

/**
 * What is appended. Headers are those of a message.
 *
 * @category models
 * @since 0.1.0
 */
export interface NewEntry {
  readonly payload: Uint8Array
  readonly headers?: Headers | undefined
}

/**
 * What was appended. All who read it in one process may share the payload: nobody may change it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly offset: bigint
  /** When it was appended, in milliseconds since 1970 by the store's clock. */
  readonly time: number
  readonly payload: Uint8Array
  readonly headers: Headers
}

/**
 * Where to begin.
 *
 * **Details**
 *
 * `oldest`: the first entry that is kept. `end`: what is appended from now on. `offset`: the first entry with that offset or a greater
 * one, and `Trimmed` where entries from there on are gone. `time`: the first entry that is kept of those appended then or later, in
 * milliseconds since 1970; a time to come is the end. `last`: as many of the newest entries, 1 to 10,000, or all where there are fewer.
 *
 * @category models
 * @since 0.1.0
 */
export type From =
  | "oldest"
  | "end"
  | { readonly offset: bigint }
  | { readonly time: number }
  | { readonly last: number }

/**
 * What is kept of a log. An entry that is beyond either bound may be let go; without bounds all is kept.
 *
 * **Details**
 *
 * Entries are let go when others are appended, a few at a time: somewhat more may be kept, and never less.
 *
 * @category models
 * @since 0.1.0
 */
export interface Retention {
  /** The newest entries, so many: 1 or more. */
  readonly count?: number | undefined
  /** The entries that are younger than this: 1 second or more. */
  readonly age?: Duration.Input | undefined
}

/**
 * Entries from the offset that was asked for on are no longer kept. Begin with `oldest`, and know that some are missing.
 *
 * @category errors
 * @since 0.1.0
 */
export class Trimmed extends Schema.TaggedError<Trimmed>()("Trimmed", {
  log: Schema.String,
  requested: Schema.BigInt,
  /** Where the log begins now. */
  oldest: Schema.BigInt
}) {
  override get message(): string {
    return `entries of the log ${this.log} before ${this.oldest} are gone, and ${this.requested} was asked for; begin with the oldest`
  }
}

/**
 * Another has become the consumer of that name, and goes on from the position: stop. What was being worked on it does again.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConsumerReplaced extends Schema.TaggedError<ConsumerReplaced>()("ConsumerReplaced", {
  log: Schema.String,
  consumer: Schema.String
}) {
  override get message(): string {
    return `another process is the consumer ${this.consumer} of the log ${this.log} now: stop`
  }
}

/**
 * The bytes of an entry are no value of the log: something else wrote them, or another version of it. They are kept here; let the
 * schema accept them, or pass over them.
 *
 * @category errors
 * @since 0.1.0
 */
export class Undecodable extends Schema.TaggedError<Undecodable>()("Undecodable", {
  log: Schema.String,
  offset: Schema.BigInt,
  payload: Schema.Uint8Array,
  headers: Schema.Record(Schema.String, Schema.String),
  /** What the schema, or the parser of JSON, has against them. */
  reason: Schema.String
}) {
  override get message(): string {
    return `the entry ${this.offset} of the log ${this.log} cannot be decoded: ${this.reason}`
  }
}
