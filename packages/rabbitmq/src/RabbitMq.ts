/**
 * The connection to RabbitMQ, which all that stands on it share.
 *
 * It comes back by itself, for as long as the layer lives, and so does each channel that is kept. What is to be done while there is
 * no connection fails at once, and is not kept for later. A connection on which nothing comes back in time is replaced.
 *
 * @since 0.1.0
 */
import { type Channel, type ChannelModel, connect as connectAmqp, type SocketOptions } from "amqplib"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Message } from "heddle/messaging"
import { revived } from "./internal/revived.ts"
import { unavailable } from "./internal/unavailable.ts"

/**
 * A connection that comes back by itself.
 *
 * @category services
 * @since 0.1.0
 */
export class RabbitMq extends Context.Service<RabbitMq, {
  /** Where it leads, as errors name it: without credentials. */
  readonly address: string
  /**
   * Opens a channel and sets it up, and another one each time that it was lost, until the scope closes. Returns when the first is set
   * up; fails at once while there is no connection.
   *
   * **Interruption**
   *
   * No channel is kept.
   */
  readonly keep: <C extends Channel>(
    open: (connection: ChannelModel) => Promise<C>,
    setUp: (channel: C, again: boolean) => Effect.Effect<void, Message.StoreUnavailable, Scope.Scope>
  ) => Effect.Effect<void, Message.StoreUnavailable, Scope.Scope>
  /** One step with the server. Where it is not answered in time it fails, and the connection is replaced. */
  readonly step: <A>(run: () => Promise<A>) => Effect.Effect<A, Message.StoreUnavailable>
  /** How long a connection may be silent before the server gives it up, in milliseconds: no less than that. */
  readonly heartbeat: number
  /** Why the server takes no messages at present, where it says so. */
  readonly blocked: () => string | undefined
  /** What a failure means to a caller. */
  readonly failure: (error: unknown) => Message.StoreUnavailable
}>()("heddle/RabbitMq") {}

/**
 * Where the servers are, and how long to wait for them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Servers of one cluster, each `amqp://host:port`, `amqps://` for TLS: they are tried in turn. Default `amqp://localhost:5672`. A user
   * and a password in the address are used where the options have none.
   */
  readonly servers?: ReadonlyArray<string> | undefined
  /** Default `guest`. */
  readonly username?: string | undefined
  /** Default `guest`. */
  readonly password?: Redacted.Redacted | undefined
  /** The virtual host. Default `/`. */
  readonly vhost?: string | undefined
  /** TLS settings, as Node's `tls.connect` takes them. */
  readonly tls?: SocketOptions | undefined
  /** How long to try to connect before the layer fails. Default 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** The longest that one step takes. A connection that is silent for that long is replaced. Default 5 seconds. */
  readonly commandTimeout?: Duration.Input | undefined
  /**
   * The server gives up a connection that was silent for two to three times this long, and the client one that was silent for twice as
   * long. In whole seconds, at least 1. Default: half of `commandTimeout`, at least 2 seconds.
   */
  readonly heartbeat?: Duration.Input | undefined
}

/**
 * Connects, and closes the connection with the layer. Fails when nothing can be reached or the credentials are refused.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<RabbitMq, Message.StoreUnavailable> =>
  Layer.effect(RabbitMq, make(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<RabbitMq, Message.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/** A connection as long as it lasts. */
interface Link {
  readonly model: ChannelModel
  readonly ended: Deferred.Deferred<void>
  readonly cut: () => void
  blocked: string | undefined
}

const goodbye = "1 second"

const make = (options: Options): Effect.Effect<RabbitMq["Service"], Message.StoreUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    const servers = options.servers ?? ["amqp://localhost:5672"]
    if (servers.length === 0) return yield* unavailable("no address", "no server is named")
    const address = servers.map((server) => URL.canParse(server) ? new URL(server).host : server).join(",")
    const failure = (error: unknown) => unavailable(address, error)
    const timeout = Duration.toMillis(options.commandTimeout ?? "5 seconds")
    const heartbeat = heartbeatOf(options.heartbeat, timeout)
    let attempts = 0
    let link: Link | undefined
    let connected = Deferred.makeUnsafe<void>()

    const session = (ready: Effect.Effect<unknown>) =>
      Effect.scoped(Effect.gen(function*() {
        const cutting = new AbortController()
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            link = undefined
            if (Deferred.isDoneUnsafe(connected)) connected = Deferred.makeUnsafe()
            cutting.abort()
          })
        )
        const from = attempts++ % servers.length
        const model = yield* Effect.firstSuccessOf(
          [...servers.slice(from), ...servers.slice(0, from)].map((server) =>
            Effect.tryPromise({
              try: () => connectAmqp(addressOf(options, server, heartbeat), socketOf(options, cutting.signal)),
              catch: failure
            })
          )
        )
        const now: Link = { model, ended: Deferred.makeUnsafe(), cut: () => cutting.abort(), blocked: undefined }
        model.on("error", () => {})
        model.on("blocked", (reason) => now.blocked = `blocked: ${reason}`)
        model.on("unblocked", () => now.blocked = undefined)
        model.once("close", () => {
          if (link === now) link = undefined
          Deferred.doneUnsafe(now.ended, Exit.void)
        })
        yield* Effect.addFinalizer(() => politely(() => model.close()))
        link = now
        Deferred.doneUnsafe(connected, Exit.void)
        yield* ready
        yield* Deferred.await(now.ended)
      }))
    yield* revived(session)

    const step = <A>(run: () => Promise<A>) =>
      Effect.suspend(() => {
        const asked = link
        if (asked === undefined) return Effect.fail(failure(new Error("disconnected")))
        return Effect.timeoutOrElse(Effect.tryPromise({ try: run, catch: failure }), {
          duration: timeout,
          orElse: () => {
            asked.cut()
            return Effect.fail(failure(new Error("timeout")))
          }
        })
      })

    return {
      address,
      failure,
      step,
      heartbeat: heartbeat * 1000,
      blocked: () => link?.blocked,
      keep: (open, setUp) =>
        Effect.suspend(() => {
          let again = false
          return revived((ready) =>
            Effect.scoped(Effect.gen(function*() {
              if (again) yield* Effect.suspend(() => Deferred.await(connected))
              const { model } = yield* Effect.suspend(() =>
                link === undefined ? Effect.fail(failure(new Error("disconnected"))) : Effect.succeed(link)
              )
              const opening = open(model)
              yield* Effect.addFinalizer(() => politely(() => opening.then((channel) => channel.close())))
              const channel = yield* step(() => opening)
              const ended = Deferred.makeUnsafe<void>()
              channel.on("error", () => {})
              channel.once("close", () => Deferred.doneUnsafe(ended, Exit.void))
              yield* setUp(channel, again)
              again = true
              yield* ready
              yield* Deferred.await(ended)
            }))
          )
        })
    }
  })

/** Takes leave of what may be gone already. */
const politely = (leave: () => Promise<unknown>): Effect.Effect<void> =>
  Effect.ignore(Effect.timeout(Effect.tryPromise(leave), goodbye))

const addressOf = ({ password, username, vhost = "/" }: Options, server: string, heartbeat: number) => {
  const url = new URL(server)
  return {
    protocol: url.protocol.replace(":", ""),
    hostname: url.hostname.replace(/^\[|\]$/g, ""),
    ...(url.port === "" ? {} : { port: Number(url.port) }),
    username: username ?? (url.username === "" ? "guest" : decodeURIComponent(url.username)),
    password: password === undefined
      ? url.password === "" ? "guest" : decodeURIComponent(url.password)
      : Redacted.value(password),
    vhost: encodeURIComponent(vhost),
    heartbeat
  }
}

/** Seconds. */
const heartbeatOf = (asked: Duration.Input | undefined, timeout: number): number =>
  Math.max(
    asked === undefined ? 2 : 1,
    Math.floor((asked === undefined ? timeout / 2 : Duration.toMillis(asked)) / 1000)
  )

/** An abort of the signal closes the socket at once, at whatever step. */
const socketOf = (
  { connectTimeout = "5 seconds", tls = {} }: Options,
  signal: AbortSignal
): SocketOptions & { readonly signal: AbortSignal } => ({
  ...tls,
  noDelay: true,
  timeout: Duration.toMillis(connectTimeout),
  signal
})
