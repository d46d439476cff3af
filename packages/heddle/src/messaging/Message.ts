/**
 * Messages, what a subscriber sees of them, and why a broker refuses.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { StoreUnavailable } from "../coordination/Lease.ts"

export { StoreUnavailable } from "../coordination/Lease.ts"

/**
 * Names of lower-case letters, digits and `-`; values of printable ASCII with no space around it; 8,192 characters in all.
 *
 * @category models
 * @since 0.1.0
 */
export type Headers = Readonly<Record<string, string>>

/**
 * What is published. A subject is 1 to 200 characters: tokens of letters, digits and `_ - : /`, with `.` between them.
 *
 * @category models
 * @since 0.1.0
 */
export interface NewMessage {
  readonly subject: string
  readonly payload: Uint8Array
  readonly headers?: Headers | undefined
}

/**
 * What has arrived. All subscribers of one process share the payload: nobody may change it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  readonly _tag: "Message"
  readonly subject: string
  readonly payload: Uint8Array
  readonly headers: Headers
}

/**
 * At this place of a subscription messages are missing, or may be.
 *
 * **Details**
 *
 * `SlowSubscriber`: `lost` were dropped, as the subscription asks for. `Reconnected`: the connection was replaced, and what was
 * published meanwhile is not known: read again what you derive from the messages.
 *
 * @category models
 * @since 0.1.0
 */
export type Gap =
  | { readonly _tag: "Gap"; readonly cause: "SlowSubscriber"; readonly lost: number }
  | { readonly _tag: "Gap"; readonly cause: "Reconnected" }

/**
 * What becomes of a message for which a subscription has no room.
 *
 * **Details**
 *
 * `dropOldest` and `dropNewest` leave a `Gap` that counts where it was. `fail` ends the subscription with `SubscriberTooSlow`, when
 * what it has is read. `wait` makes the publisher wait, where the broker can.
 *
 * @category models
 * @since 0.1.0
 */
export type WhenFull = "dropOldest" | "dropNewest" | "fail" | "wait"

/**
 * How a subscription keeps what its reader has not taken.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubscribeOptions {
  /** How many messages wait before it is full, 1 or more, or `Infinity`. Default 1,024. */
  readonly buffer?: number | undefined
  /** Default `dropOldest`. */
  readonly whenFull?: WhenFull | undefined
}

/**
 * What came of a subscription's messages: `received` = `delivered` + `dropped` + `waiting`, at any time.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubscriptionStats {
  readonly received: number
  readonly delivered: number
  readonly dropped: number
  readonly waiting: number
  /** How often the connection was replaced. */
  readonly reconnected: number
}

/**
 * The reader did not keep up, and the subscription was to fail then: subscribe again, and read faster or buffer more.
 *
 * @category errors
 * @since 0.1.0
 */
export class SubscriberTooSlow extends Schema.TaggedError<SubscriberTooSlow>()("SubscriberTooSlow", {
  pattern: Schema.String,
  buffer: Schema.Number
}) {
  override get message(): string {
    return `more than ${this.buffer} messages of ${this.pattern} waited: subscribe again, and read faster or buffer more`
  }
}

/**
 * A message or a subscription cannot mean anything. Nothing was sent. Correct the field that is named.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidMessage extends Schema.TaggedError<InvalidMessage>()("InvalidMessage", {
  field: Schema.String,
  message: Schema.String
}) {}

/**
 * A message has more bytes than the broker takes. Nothing was sent. Publish where it is to be read, and not what.
 *
 * @category errors
 * @since 0.1.0
 */
export class MessageTooLarge extends Schema.TaggedError<MessageTooLarge>()("MessageTooLarge", {
  subject: Schema.String,
  bytes: Schema.Number,
  most: Schema.Number
}) {
  override get message(): string {
    return `a message to ${this.subject} has ${this.bytes} bytes, and the broker takes ${this.most}`
  }
}

/**
 * Why a message is not published.
 *
 * @category errors
 * @since 0.1.0
 */
export type PublishError = InvalidMessage | MessageTooLarge | StoreUnavailable

/**
 * Why a subscription does not begin.
 *
 * @category errors
 * @since 0.1.0
 */
export type SubscribeError = InvalidMessage | StoreUnavailable
