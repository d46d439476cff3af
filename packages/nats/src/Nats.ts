/**
 * The connection to NATS, which all that stands on it share.
 *
 * It comes back by itself, for as long as the layer lives, with all subscriptions. What is to be sent while there is no connection
 * fails at once, and is not kept for later. A connection on which nothing comes back in time is replaced.
 *
 * @since 0.1.0
 */
import { connect as connectNats, type ConnectionOptions, type NatsConnection } from "@nats-io/transport-node"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Message } from "heddle/messaging"
import { Pings } from "./internal/Pings.ts"
import { isAway, unavailable } from "./internal/unavailable.ts"

/**
 * A connection that comes back by itself.
 *
 * @category services
 * @since 0.1.0
 */
export class Nats extends Context.Service<Nats, {
  readonly connection: NatsConnection
  /** Where it leads, as errors name it. */
  readonly address: string
  /** Whether there is a connection now. */
  readonly isUp: () => boolean
  /** The longest that one step takes, in milliseconds. */
  readonly commandTimeout: number
  /** Ends when the server has seen all that was sent before. */
  readonly flush: Effect.Effect<void, Message.StoreUnavailable>
  /** Calls back each time the connection was replaced, until the scope closes. */
  readonly onAgain: (listener: () => void) => Effect.Effect<void, never, Scope.Scope>
  /** What a failure means to a caller. */
  readonly failure: (error: unknown) => Message.StoreUnavailable
}>()("heddle/Nats") {}

/**
 * Where the servers are, and how long to wait for them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Servers of one cluster, each `nats://host:port`: some are enough, they tell of the others. Default `nats://localhost:4222`. */
  readonly servers?: ReadonlyArray<string> | undefined
  readonly username?: string | undefined
  readonly password?: Redacted.Redacted | undefined
  readonly token?: Redacted.Redacted | undefined
  /** Speaks TLS with these settings, as the client takes them. */
  readonly tls?: ConnectionOptions["tls"] | undefined
  /** How long to try to connect before the layer fails. Default 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** The longest that one step takes. A connection that is silent for that long is replaced. Default 5 seconds. */
  readonly commandTimeout?: Duration.Input | undefined
}

/**
 * Connects, and closes the connection with the layer. Fails when nothing can be reached or the credentials are refused.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Nats, Message.StoreUnavailable> =>
  Layer.effect(Nats, make(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Nats, Message.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

const make = (options: Options): Effect.Effect<Nats["Service"], Message.StoreUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    const servers = options.servers ?? ["nats://localhost:4222"]
    const address = servers.join(",")
    const failure = (error: unknown) => unavailable(address, error)
    const timeout = Duration.toMillis(options.commandTimeout ?? "5 seconds")
    const connection = yield* Effect.acquireRelease(
      // A server that is just being started refuses at first.
      Effect.retry(
        Effect.tryPromise({ try: () => connectNats(settingsOf(options, servers, timeout)), catch: failure }),
        { schedule: within(options.connectTimeout ?? "5 seconds"), while: ({ message }) => isAway(message) }
      ),
      (connection) => Effect.promise(() => connection.close())
    )
    const listeners = new Set<() => void>()
    let up = true
    // Without a turn between: who listens is told before the first message of the new connection is read.
    const follow = async () => {
      for await (const { type } of connection.status()) {
        if (type === "disconnect" || type === "staleConnection") up = false
        if (type !== "reconnect") continue
        up = true
        for (const tell of listeners) tell()
      }
    }
    yield* Effect.forkScoped(Effect.promise(follow), { startImmediately: true })
    return {
      connection,
      address,
      isUp: () => up,
      commandTimeout: timeout,
      failure,
      flush: new Pings(connection, timeout, failure).answered,
      onAgain: (listener) =>
        Effect.acquireRelease(
          Effect.sync(() => void listeners.add(listener)),
          () => Effect.sync(() => void listeners.delete(listener))
        )
    }
  })

const within = (duration: Duration.Input) => Schedule.spaced(50).pipe(Schedule.upTo({ duration }))

const settingsOf = (
  { connectTimeout = "5 seconds", password, tls, token, username }: Options,
  servers: ReadonlyArray<string>,
  timeout: number
): ConnectionOptions => ({
  servers: [...servers],
  timeout: Duration.toMillis(connectTimeout),
  maxReconnectAttempts: -1,
  reconnectTimeWait: 50,
  reconnectJitter: 50,
  pingInterval: Math.max(1, timeout / 2),
  maxPingOut: 2,
  ...(username === undefined ? {} : { user: username }),
  ...(password === undefined ? {} : { pass: Redacted.value(password) }),
  ...(token === undefined ? {} : { token: Redacted.value(token) }),
  ...(tls === undefined ? {} : { tls })
})
