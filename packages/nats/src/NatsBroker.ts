/**
 * Carries messages through NATS servers.
 *
 * **Details**
 *
 * A subject is `<prefix>.<subject>` on the server, a header is a header, a payload is the payload: other clients of NATS can take
 * part. Patterns are the server's own. A group is a queue group, named by the group and the pattern.
 *
 * A message is published when the server has answered a ping that was sent behind it, and a subscription is live when it has answered
 * one behind that. The connection comes back by itself, with its subscriptions, and each of them is told that it may have missed
 * something.
 *
 * **Gotchas**
 *
 * - Core NATS keeps nothing. What is published while a subscriber is away is lost to it: it sees a `Gap`.
 * - A server cuts off a client that does not read; that is a reconnection like any other. The buffer of the subscription stands in the
 *   process, so only a blocked process comes so far.
 * - Servers of a cluster tell each other of subscriptions after they have answered. A message that is published on another server in
 *   the first milliseconds may be missed.
 *
 * @since 0.1.0
 */
import { headers as natsHeaders, type Msg, type MsgHdrs } from "@nats-io/transport-node"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Broker, type BrokerBackend, Message } from "heddle/messaging"
import * as Nats from "./Nats.ts"

/**
 * How subjects are named.
 *
 * @category models
 * @since 0.1.0
 */
export interface BrokerOptions {
  /** What all subjects of the server begin with: letters, digits, `_` and `-`. Default `heddle`. */
  readonly prefix?: string | undefined
}

/**
 * How subjects are named, and where the servers are.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends BrokerOptions, Nats.Options {}

type Services = Broker.Broker | Broker.BrokerGroups

/**
 * Carries messages on a connection that others may share.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  options: BrokerOptions = {}
): Layer.Layer<Services, Message.StoreUnavailable, Nats.Nats> =>
  Layer.unwrap(
    Effect.gen(function*() {
      const { prefix = "heddle" } = options
      if (!/^[\w-]+$/.test(prefix)) return yield* badPrefix
      const nats = yield* Nats.Nats
      // A header has four bytes more on the wire than its characters.
      const room = (nats.connection.info?.max_payload ?? 1_048_576) - 32_800
      return Broker.layerOfGroups({
        backend: "nats",
        backpressure: false,
        maxBytes: Math.min(1_000_000, room),
        steps: Effect.succeed(stepsOf(nats, `${prefix}.`))
      })
    })
  )

/**
 * Carries messages on a connection of its own. Fails when no server can be reached or the credentials are refused.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Services, Message.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Nats.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Services, Message.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

const badPrefix = new Message.StoreUnavailable({
  backend: "nats",
  message: "the prefix must be letters, digits, _ and -, at least one"
})

const stepsOf = (nats: Nats.Nats["Service"], prefix: string): BrokerBackend.Steps => {
  const { connection, failure, flush, isUp } = nats
  const messageOf = ({ data: payload, headers, subject }: Msg): Message.Message => ({
    _tag: "Message",
    subject: subject.slice(prefix.length),
    payload,
    headers: headers === undefined ? {} : Object.fromEntries(headers.keys().map((name) => [name, headers.get(name)]))
  })
  const whileUp = <A>(step: () => A) =>
    Effect.suspend(() =>
      isUp() ? Effect.try({ try: step, catch: failure }) : Effect.fail(failure(new Error("disconnected")))
    )
  return {
    publish: (messages) =>
      Effect.andThen(
        whileUp(() => {
          for (const { headers, payload, subject } of messages) {
            connection.publish(`${prefix}${subject}`, payload, headersOf(headers))
          }
        }),
        flush
      ),
    subscribe: ({ group, inlet, pattern }) => {
      let missed = false
      const tell = () => {
        if (missed) inlet.reconnected()
        missed = false
      }
      // Whoever reads of the gap may look elsewhere for what he missed, and hears what comes then: the server knows of him again.
      const again = () => {
        missed = true
        connection.flush().then(tell, () => {})
      }
      const callback = (error: Error | null, message: Msg) => {
        if (error !== null) return
        tell()
        inlet.take(messageOf(message))
      }
      const queue = group === undefined ? {} : { queue: queueOf(group, pattern) }
      return Effect.acquireRelease(
        whileUp(() => connection.subscribe(`${prefix}${pattern}`, { callback, ...queue })),
        (subscription) => Effect.sync(() => subscription.unsubscribe())
      ).pipe(Effect.andThen(nats.onAgain(again)), Effect.andThen(flush))
    }
  }
}

/** The server would make one group of all that have the same name. */
const queueOf = (group: string, pattern: string): string =>
  `${group}|${pattern.replaceAll("*", "+").replaceAll(">", "~")}`

const headersOf = (headers: Message.Headers): { readonly headers: MsgHdrs } | undefined => {
  const all = Object.entries(headers)
  if (all.length === 0) return undefined
  const found = natsHeaders()
  for (const [name, value] of all) found.set(name, value)
  return { headers: found }
}
