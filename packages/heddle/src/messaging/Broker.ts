/**
 * Carries messages from whoever publishes to whoever is subscribed at that moment.
 *
 * A message is bytes with headers, sent to a subject: tokens with `.` between them. A subscription names a subject, or a pattern in
 * which `*` stands for one token and `>` at the end for one or more. The same patterns mean the same on every backend.
 *
 * **When to use**
 *
 * For patterns, and where bytes are wanted. `Topic` has typed messages. Where a message may not be lost when nobody is there, or
 * when a process dies, use `WorkQueue`.
 *
 * **Gotchas**
 *
 * A message is delivered at most once. What a subscription may have missed it is told as a `Gap`, at the place where it is missing.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { InvalidOption } from "../internal/InvalidOption.ts"
import * as BrokerAbility from "./BrokerAbility.ts"
import type { Backend, Steps } from "./BrokerBackend.ts"
import { memoryBroker } from "./internal/brokerMemory.ts"
import { type MessageTally, messageTally } from "./internal/brokerMetrics.ts"
import { checkGroup, checkMessage, checkPattern, checkSubscribing } from "./internal/brokerRequest.ts"
import { Inbox } from "./internal/inbox.ts"
import type {
  Gap,
  Message,
  NewMessage,
  PublishError,
  SubscribeError,
  SubscribeOptions,
  SubscriberTooSlow,
  SubscriptionStats
} from "./Message.ts"

/**
 * A subscription that is live.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subscription {
  /**
   * What arrives, in order, and where something is missing. Whoever runs it takes part: two readers share the messages. It ends
   * when the subscription's scope is closed.
   *
   * **Interruption**
   *
   * What waits goes on waiting for the next reader. As with every stream, what was handed over is its reader's.
   */
  readonly events: Stream.Stream<Message | Gap, SubscriberTooSlow>
  /** What came of its messages so far. */
  readonly stats: Effect.Effect<SubscriptionStats>
}

/**
 * A broker.
 *
 * @category services
 * @since 0.1.0
 */
export class Broker extends Context.Service<Broker, {
  /** The backend's name. */
  readonly backend: string
  /** The most bytes that a payload and its headers may have together. */
  readonly maxBytes: number
  /**
   * Sends messages in order; when it returns the server has them. One that is refused refuses all, before anything is sent.
   *
   * **Interruption**
   *
   * Some of the messages may have been sent, those before the others.
   */
  readonly publish: (messages: ReadonlyArray<NewMessage>) => Effect.Effect<void, PublishError>
  /**
   * Subscribes until the scope closes. It is live when this returns: nothing that is published after that is missed.
   *
   * **Interruption**
   *
   * Nothing is subscribed.
   */
  readonly subscribe: (
    pattern: string,
    options?: SubscribeOptions
  ) => Effect.Effect<Subscription, InvalidOption | SubscribeError, Scope.Scope>
}>()("heddle/Broker") {}

/**
 * Gives each message to one of a group: for brokers whose backend can.
 *
 * @category services
 * @since 0.1.0
 */
export class BrokerGroups extends Context.Service<BrokerGroups, {
  /**
   * Joins a group until the scope closes: each message goes to one member, which is any. A group is named by its pattern and its
   * name. What a member has received and not read when it leaves is lost.
   *
   * **Interruption**
   *
   * Nothing is joined.
   */
  readonly join: (
    pattern: string,
    group: string,
    options?: SubscribeOptions
  ) => Effect.Effect<Subscription, InvalidOption | SubscribeError, Scope.Scope>
}>()("heddle/Broker/BrokerGroups") {}

interface Made {
  readonly broker: Broker["Service"]
  readonly groups: BrokerGroups["Service"]
}

/**
 * The layer of a backend without groups.
 *
 * @category backends
 * @since 0.1.0
 */
export const layerOf = <E, R>(backend: Backend<E, R>): Layer.Layer<Broker, E, Exclude<R, Scope.Scope>> =>
  Layer.effect(Broker, Effect.map(make(backend), ({ broker }) => broker))

/**
 * The layer of a backend with groups.
 *
 * @category backends
 * @since 0.1.0
 */
export const layerOfGroups = <E, R>(
  backend: Backend<E, R>
): Layer.Layer<Broker | BrokerGroups, E, Exclude<R, Scope.Scope>> =>
  Layer.effectContext(
    Effect.map(make(backend), ({ broker, groups }) =>
      Context.make(Broker, broker).pipe(Context.add(BrokerGroups, groups)))
  )

/**
 * Carries messages inside of this process: the reference that runs the laws first, for tests and for one-process programs. A payload
 * has at most 1,000,000 bytes, as with most servers.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<Broker | BrokerGroups | BrokerAbility.Backpressure> = Layer.suspend(() =>
  Layer.merge(
    layerOfGroups({ backend: "memory", backpressure: true, maxBytes: 1_000_000, steps: memoryBroker }),
    BrokerAbility.Backpressure.layer
  )
)

const make = <E, R>(backend: Backend<E, R>): Effect.Effect<Made, E, R> =>
  Effect.zipWith(backend.steps, Effect.context<never>(), (steps, context) => {
    const tally = messageTally(context, backend.backend)
    const subscribe = subscribing(backend, steps, tally)
    return {
      broker: {
        backend: backend.backend,
        maxBytes: backend.maxBytes,
        publish: (messages) =>
          Effect.suspend((): Effect.Effect<void, PublishError> => {
            const checked: Array<Message> = []
            for (const message of messages) {
              const one = checkMessage(message, backend.maxBytes)
              if (one._tag !== "Message") return Effect.fail(one)
              checked.push(one)
            }
            return checked.length === 0
              ? Effect.void
              : Effect.map(steps.publish(checked), () => void (tally.published += checked.length))
          }),
        subscribe: (pattern, options = {}) => subscribe(pattern, undefined, options)
      },
      groups: { join: (pattern, group, options = {}) => subscribe(pattern, group, options) }
    }
  })

const subscribing =
  ({ backpressure }: Backend<unknown, unknown>, steps: Steps, tally: MessageTally) =>
  (pattern: string, group: string | undefined, options: SubscribeOptions) =>
    Effect.suspend((): Effect.Effect<Subscription, InvalidOption | SubscribeError, Scope.Scope> => {
      const wrong = checkPattern(pattern) ?? (group === undefined ? undefined : checkGroup(group))
      if (wrong !== undefined) return Effect.fail(wrong)
      const settings = checkSubscribing(pattern, options, backpressure)
      if (settings instanceof InvalidOption) return Effect.fail(settings)
      const inbox = new Inbox(settings, tally)
      const end = Effect.sync(() => inbox.end(Cause.Done()))
      return Effect.acquireRelease(Effect.void, () => end).pipe(
        Effect.andThen(steps.subscribe({ pattern, group, inlet: inbox })),
        Effect.as({
          events: Stream.fromPull(Effect.succeed(inbox.pull)),
          stats: Effect.sync(() => inbox.stats)
        })
      )
    })
