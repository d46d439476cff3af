/**
 * A connection to a server of gRPC, which all clients of it share.
 *
 * **Details**
 *
 * It connects when it is first used, and again whenever it has to, after 50 to 500 ms. A call that finds the server away fails with
 * `UNAVAILABLE` at once, and is not kept for later. A name with many addresses is tried in their order.
 *
 * @since 0.1.0
 */
import { type ChannelCredentials, Client, credentials } from "@grpc/grpc-js"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { InvalidOption } from "heddle/resilience"
import type { Metadata } from "./GrpcCall.ts"
import type { GrpcError } from "./GrpcError.ts"
import { noMetadata } from "./internal/metadata.ts"
import { connectionOptions, type Keepalive, refuse } from "./internal/options.ts"

/**
 * A connection that comes back by itself.
 *
 * @category services
 * @since 0.1.0
 */
export class GrpcChannel extends Context.Service<GrpcChannel, {
  /** As the library has it, for what is not here. */
  readonly client: Client
  /** What goes with every call. */
  readonly metadata: Effect.Effect<Metadata, GrpcError>
}>()("heddle/GrpcChannel") {}

/**
 * Where the server is, and how to speak to it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** As `http://host:port`, or `https://host:port` for TLS. */
  readonly url: string
  /** For `https`, in PEM. Default: the system's certificate authorities, and no certificate of its own. */
  readonly tls?: {
    /** The certificate authority that signed the server's certificate. */
    readonly ca?: string | undefined
    /** A certificate of its own, and its key. */
    readonly own?: { readonly cert: string; readonly key: Redacted.Redacted } | undefined
  } | undefined
  /** Goes with every call, such as a token. It is asked for each time, within the time of the call. Default: nothing. */
  readonly metadata?: Effect.Effect<Metadata, GrpcError> | undefined
  /** The largest message, in bytes, in either direction. Default 4 MiB. A larger one is `RESOURCE_EXHAUSTED`. */
  readonly maxMessageBytes?: number | undefined
  /**
   * How a connection that died in silence is found while calls wait on it. Default: asked every 5 minutes, as many servers close one
   * that is asked more often (`too_many_pings`); servers of Heddle and of grpc-js do not.
   */
  readonly keepalive?: Keepalive | undefined
}

/**
 * Makes a connection, and closes it with the scope: calls that are on their way then fail. Fails with `InvalidOption` if an option is
 * out of its range.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  { keepalive, maxMessageBytes, metadata = noMetadata, tls, url }: Options
): Effect.Effect<GrpcChannel["Service"], InvalidOption, Scope.Scope> =>
  Effect.gen(function*() {
    const options = yield* connectionOptions({ keepalive, maxMessageBytes }, "5 minutes")
    const parsed = URL.canParse(url) ? new URL(url) : undefined
    if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.hostname === "") {
      return yield* refuse("url", "be http://host:port or https://host:port")
    }
    const isSecure = parsed.protocol === "https:"
    const target = `${parsed.hostname}:${parsed.port || (isSecure ? 443 : 80)}`
    const trust = yield* Effect.try({
      try: () => isSecure ? secure(tls) : credentials.createInsecure(),
      catch: () => "tls"
    }).pipe(Effect.catch((option) => refuse(option, "hold certificates and a key in PEM")))
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => new Client(target, trust, { ...backoff, ...options })),
      (client) => Effect.sync(() => client.close())
    )
    return { client, metadata }
  })

/**
 * Makes a connection, and closes it with the layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<GrpcChannel, InvalidOption> =>
  Layer.effect(GrpcChannel, make(options))

const backoff = {
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.min_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 500,
  "grpc.service_config_disable_resolution": 1
}

const secure = (tls: Options["tls"]): ChannelCredentials =>
  credentials.createSsl(
    tls?.ca === undefined ? null : Buffer.from(tls.ca),
    tls?.own === undefined ? null : Buffer.from(Redacted.value(tls.own.key)),
    tls?.own === undefined ? null : Buffer.from(tls.own.cert)
  )
