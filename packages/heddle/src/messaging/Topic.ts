/**
 * Tells values of one type to everybody who is subscribed, in any process.
 *
 * A topic has a name and a schema. Who subscribes hears all that is published from the moment when `subscribe` returns, in the order
 * in which each publisher sent it, until its scope is closed. Where something is missing, it is told so at that place, as a `Gap`. What
 * cannot be read goes to a sink, and the stream goes on.
 *
 * **When to use**
 *
 * For news that is of use to whoever is there: prices, presence, chat, "read it again". What must be done by somebody, once or more,
 * is a job of `WorkQueue`.
 *
 * **Example** (Two hear what one tells)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Broker, Topic } from "heddle/messaging"
 *
 * const prices = Topic.make({
 *   name: "prices",
 *   payload: Schema.Struct({ item: Schema.String, cents: Schema.Int })
 * })
 *
 * const program = Effect.gen(function*() {
 *   const { messages } = yield* prices.subscribe({ at: "*" })
 *   yield* prices.publish({ item: "tea", cents: 250 }, { at: "uk" })
 *   yield* prices.publish({ item: "rice", cents: 99 }, { at: "in" })
 *   const heard = yield* Stream.runCollect(Stream.take(messages, 2))
 *   return heard.map(({ subject, value }) => `${subject}: ${value.item}`)
 * })
 *
 * await program.pipe(Effect.scoped, Effect.provide(Broker.layerMemory), Effect.runPromise)
 * // => ["prices.uk: tea", "prices.in: rice"]
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { InvalidOption } from "../internal/InvalidOption.ts"
import type { DeadlineExceeded, MalformedDeadline } from "../resilience/Deadline.ts"
import * as Broker from "./Broker.ts"
import type * as BrokerAbility from "./BrokerAbility.ts"
import { readOnce } from "./internal/readOnce.ts"
import { decoded, logUndecodable } from "./internal/topicEvents.ts"
import { callHeaders, served } from "./internal/topicTrace.ts"
import { encodeAll, workCodec } from "./internal/workCodec.ts"
import {
  type Gap,
  type Headers,
  InvalidMessage,
  type PublishError,
  type SubscribeError,
  type SubscriberTooSlow,
  type SubscriptionStats,
  type WhenFull
} from "./Message.ts"

/**
 * What a topic is called, and what is told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A> {
  /** A subject: tokens of letters, digits and `_ - : /` with `.` between them. */
  readonly name: string
  /** Values travel as JSON. */
  readonly payload: Schema.Codec<A, unknown>
}

/**
 * Where a value is told, and with what.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishOptions {
  /** More tokens of the subject, behind the name. Default: none. */
  readonly at?: string | undefined
  /** Beside the trace and the deadline, which travel by themselves. */
  readonly headers?: Headers | undefined
}

/**
 * What is heard, and how.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubscribeOptions<W extends WhenFull = WhenFull, R = never> {
  /** What is heard of the topic, as a pattern behind its name: `>` is all below it. Default: what is told without `at`. */
  readonly at?: string | undefined
  /** How many messages wait before the subscription is full, 1 or more, or `Infinity`. Default 1,024. */
  readonly buffer?: number | undefined
  /** What happens to a message for which there is no room. Default `dropOldest`, counted by a `Gap`. */
  readonly whenFull?: W | undefined
  /** What is done with a message that is no value of the topic. Default: a warning in the log. */
  readonly onUndecodable?: ((undecodable: Undecodable) => Effect.Effect<void, never, R>) | undefined
}

/**
 * A value that was told. It is read once for all subscriptions of a topic in one process that are told of the same message, as far as the
 * backend tells them together: nobody may change it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Received<A> {
  readonly _tag: "Message"
  readonly value: A
  readonly subject: string
  readonly headers: Headers
}

/**
 * A message that is no value of the topic, with the bytes as they came.
 *
 * @category models
 * @since 0.1.0
 */
export interface Undecodable {
  readonly subject: string
  readonly payload: Uint8Array
  readonly headers: Headers
  readonly reason: string
}

/**
 * A subscription that is live. Whoever runs one of its streams takes part: two readers share what arrives.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subscription<A, R = never> {
  /**
   * What arrives, and where something is missing.
   *
   * **Interruption**
   *
   * What waits goes on waiting for the next reader. As with every stream, what was handed over is its reader's.
   */
  readonly events: Stream.Stream<Received<A> | Gap, SubscriberTooSlow, R>
  /** The same without the gaps, for whom it does not matter what is missing. */
  readonly messages: Stream.Stream<Received<A>, SubscriberTooSlow, R>
  /** What came of its messages so far. */
  readonly stats: Effect.Effect<SubscriptionStats>
}

/**
 * Values of one type, told to those who are there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Topic<A> {
  readonly name: string
  /**
   * Tells a value. When it returns the server has it; nobody needs to be there.
   *
   * **Interruption**
   *
   * The value may have been told.
   */
  readonly publish: (value: A, options?: PublishOptions) => Effect.Effect<void, PublishError, Broker.Broker>
  /**
   * Tells values in order, in one request. One that cannot be encoded refuses all.
   *
   * **Interruption**
   *
   * Some may have been told, those before the others.
   */
  readonly publishAll: (
    values: ReadonlyArray<A>,
    options?: PublishOptions
  ) => Effect.Effect<void, PublishError, Broker.Broker>
  /**
   * Subscribes until the scope closes. It is live when this returns: nothing that is published after that is missed.
   *
   * **Interruption**
   *
   * Nothing is subscribed.
   */
  readonly subscribe: <W extends WhenFull = "dropOldest", R = never>(
    options?: SubscribeOptions<W, R>
  ) => Effect.Effect<Subscription<A, R>, InvalidOption | SubscribeError, Broker.Broker | Scope.Scope | Waits<W>>
  /**
   * Joins a group until the scope closes: each value is told to one of its members. What a member has not read when it leaves is lost.
   *
   * **Interruption**
   *
   * Nothing is joined.
   */
  readonly join: <W extends WhenFull = "dropOldest", R = never>(
    group: string,
    options?: SubscribeOptions<W, R>
  ) => Effect.Effect<Subscription<A, R>, InvalidOption | SubscribeError, Broker.BrokerGroups | Scope.Scope | Waits<W>>
}

/**
 * What a subscription needs that makes publishers wait.
 *
 * @category models
 * @since 0.1.0
 */
export type Waits<W extends WhenFull> = "wait" extends W ? BrokerAbility.Backpressure : never

/**
 * Names a topic. Nothing is asked of a broker.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>({ name, payload }: Options<A>): Topic<A> => {
  const codec = workCodec(payload)
  const read = readOnce(codec)
  const subjectOf = (at: string | undefined) => at === undefined ? name : `${name}.${at}`
  const publishAll: Topic<A>["publishAll"] = (values, { at, headers } = {}) =>
    Effect.flatMap(
      Broker.Broker,
      ({ publish }) =>
        Effect.flatMap(callHeaders, (own) =>
          Effect.flatMapEager(Effect.mapErrorEager(encodeAll(codec, values), invalid), (payloads) => {
            const all = headers === undefined ? own : { ...headers, ...own }
            const subject = subjectOf(at)
            return publish(payloads.map((payload) => ({ subject, payload, headers: all })))
          }))
    )
  const typed = <R>(
    subscription: Broker.Subscription,
    { onUndecodable = logUndecodable }: SubscribeOptions<WhenFull, R>
  ): Subscription<A, R> => {
    return {
      events: decoded(subscription, read, onUndecodable, (_event): _event is Received<A> | Gap => true),
      messages: decoded(
        subscription,
        read,
        onUndecodable,
        (event): event is Received<A> => event._tag === "Message"
      ),
      stats: subscription.stats
    }
  }
  return {
    name,
    publish: (value, options) => publishAll([value], options),
    publishAll,
    subscribe: (options = {}) =>
      Effect.flatMap(
        Broker.Broker,
        ({ subscribe }) =>
          Effect.map(subscribe(subjectOf(options.at), options), (subscription) => typed(subscription, options))
      ),
    join: (group, options = {}) =>
      Effect.flatMap(
        Broker.BrokerGroups,
        ({ join }) =>
          Effect.map(join(subjectOf(options.at), group, options), (subscription) => typed(subscription, options))
      )
  }
}

/**
 * Works on a message within the time that its publisher had left, and in a span below the one it was published in.
 *
 * **Interruption**
 *
 * Interrupts the effect.
 *
 * @category handlers
 * @since 0.1.0
 */
export const handle = (received: Pick<Received<unknown>, "headers" | "subject">) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | DeadlineExceeded | MalformedDeadline, R> => served("Topic.handle", received, effect)

const invalid = (reason: string) => new InvalidMessage({ field: "payload", message: `payload: ${reason}` })
