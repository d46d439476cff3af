/**
 * What a backend fills so that `Broker.layerOf` can build the services on it.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Message, StoreUnavailable } from "./Message.ts"

export { matches } from "./internal/subjects.ts"

/**
 * Where a backend puts what it hears for a subscription.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Inlet {
  /** Takes a message. Its room may be exceeded by it: who can wait waits for `room` then. */
  readonly take: (message: Message) => void
  /** Ends at once where there is room, and else when there is. */
  readonly room: Effect.Effect<void>
  /**
   * The connection was replaced: messages may be missing here. To be told when what is published from then on is heard again, and before
   * the first that is heard: whoever reads of the gap looks elsewhere for what he missed, and must miss nothing after that.
   */
  readonly reconnected: () => void
}

/**
 * A subscription as a backend sees it: checked. Without a group it gets all that match, with one its part of them.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Subscribing {
  readonly pattern: string
  readonly group: string | undefined
  readonly inlet: Inlet
}

/**
 * The steps that a backend fills.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Steps {
  /** Sends the messages in order. When it returns the server has them. */
  readonly publish: (messages: ReadonlyArray<Message>) => Effect.Effect<void, StoreUnavailable>
  /**
   * Subscribes until the scope closes. When it returns, all that any process publishes from then on arrives, in the order in
   * which each publisher sent it. It comes back by itself after the connection was lost, and tells `reconnected` then.
   */
  readonly subscribe: (subscribing: Subscribing) => Effect.Effect<void, StoreUnavailable, Scope.Scope>
}

/**
 * What a backend brings; core checks the input, and buffers for subscribers.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Backend<E, R> {
  /** The backend's name, as errors tell it. */
  readonly backend: string
  /** Whether publishers wait for `Inlet.room`. */
  readonly backpressure: boolean
  /** The most bytes that a payload and its headers may have together. */
  readonly maxBytes: number
  readonly steps: Effect.Effect<Steps, E, R>
}
