/**
 * Serves services of gRPC.
 *
 * **Details**
 *
 * Every call runs in a fiber of its own, within the deadline that its caller gave and below its caller's place in a trace. A caller
 * that goes away interrupts it. A stream of answers is made as fast as the caller takes them, and no faster; so is a stream of
 * requests read.
 *
 * **Gotchas**
 *
 * When the layer closes, the calls that are left are interrupted, and their callers get `UNAVAILABLE`. To let them end, use `GrpcDrain`.
 *
 * @since 0.1.0
 */
import { ServerCredentials } from "@grpc/grpc-js"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { InvalidOption } from "heddle/resilience"
import type { GrpcCall } from "./GrpcCall.ts"
import type { GrpcService, HandlerError } from "./GrpcService.ts"
import { Calls } from "./internal/Calls.ts"
import { listen } from "./internal/listen.ts"
import type { Method } from "./internal/method.ts"
import { connectionOptions, type Keepalive, refuse } from "./internal/options.ts"

/**
 * A server that takes calls.
 *
 * @category services
 * @since 0.1.0
 */
export class GrpcServer extends Context.Service<GrpcServer, {
  readonly host: string
  readonly port: number
  /** The methods of the calls that it works on, one for each. */
  readonly inFlight: Effect.Effect<ReadonlyArray<string>>
  /**
   * Takes no connection and no call any more, tells the callers that are connected to go elsewhere, and waits until all calls have
   * ended.
   *
   * **Interruption**
   *
   * Stops waiting. What was said is said.
   */
  readonly drain: Effect.Effect<void>
}>()("heddle/GrpcServer") {}

/**
 * Goes around every call: looks at `GrpcCall` and refuses it, times it, gives it a service. The work of a handler is in what it is
 * given; for a stream, to its end.
 *
 * @category models
 * @since 0.1.0
 */
export type Middleware<R = never> = <Rest>(
  call: Effect.Effect<void, HandlerError, Rest>
) => Effect.Effect<void, HandlerError, Rest | R | GrpcCall>

/**
 * Where to listen, and what to let in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<R = never> {
  /** An address of this machine, or a name of one. Default `0.0.0.0`. */
  readonly host?: string | undefined
  /** 0 for any that is free. */
  readonly port: number
  /** Speaks TLS, with a certificate and a key in PEM. With `ca`, whoever has no certificate of it is refused. Default: plain text. */
  readonly tls?: {
    readonly cert: string
    readonly key: Redacted.Redacted
    readonly ca?: string | undefined
  } | undefined
  /** The largest message, in bytes, in either direction. Default 4 MiB. A larger one is `RESOURCE_EXHAUSTED`. */
  readonly maxMessageBytes?: number | undefined
  /** How a connection that died in silence is found. Default: asked every 10 seconds. */
  readonly keepalive?: Keepalive | undefined
  /** Goes around every call. Default: nothing does. */
  readonly middleware?: Middleware<R> | undefined
}

/**
 * The server cannot listen where it should: see who else does, and whether the address is one of this machine.
 *
 * @category errors
 * @since 0.1.0
 */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  address: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const why = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `no server can listen on ${this.address}: ${why}`
  }
}

type Needs<S extends ReadonlyArray<GrpcService<unknown>>> = S[number] extends GrpcService<infer R> ? R : never

/**
 * Serves, until its scope closes. Fails with `ListenFailed`, and with `InvalidOption` if an option is out of its range or a service is
 * given twice.
 *
 * **Example** (A server, and a client of it)
 *
 * ```ts
 * import { Greeter } from "@heddle/example-50-greeter/greeter"
 * import { GrpcChannel, GrpcClient, GrpcServer, GrpcService } from "@heddle/grpc"
 * import { Effect, Layer, Stream } from "effect"
 *
 * const hello = (name: string) => ({ message: `Hello, ${name}` })
 * const greeter = GrpcService.make(Greeter, {
 *   sayHello: ({ name }) => Effect.succeed(hello(name)),
 *   keepGreeting: ({ name }) => Stream.make(hello(name), hello(name)),
 *   greetAll: (guests) => Stream.runCollect(guests).pipe(Effect.map((all) => hello(`all ${all.length}`))),
 *   greetEach: Stream.map(({ name }) => hello(name))
 * })
 *
 * const server = GrpcServer.layer([greeter], { host: "127.0.0.1", port: 0 })
 * const channel = Layer.unwrap(Effect.map(GrpcServer.GrpcServer, ({ port }) =>
 *   GrpcChannel.layer({ url: `http://127.0.0.1:${port}` })))
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* GrpcClient.make(Greeter)
 *   return (yield* client.sayHello({ name: "seed" })).message
 * })
 *
 * await program.pipe(Effect.provide(Layer.provide(channel, server)), Effect.runPromise) // => "Hello, seed"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <const S extends ReadonlyArray<GrpcService<unknown>>, R = never>(
  services: S,
  options: Options<R>
): Layer.Layer<GrpcServer, ListenFailed | InvalidOption, Needs<S> | R> =>
  Layer.effect(GrpcServer, make(services, options))

const make = <const S extends ReadonlyArray<GrpcService<unknown>>, R>(
  services: S,
  { host = "0.0.0.0", keepalive, maxMessageBytes, middleware = (call) => call, port, tls }: Options<R>
): Effect.Effect<GrpcServer["Service"], ListenFailed | InvalidOption, Needs<S> | R | Scope.Scope> =>
  Effect.gen(function*() {
    const options = yield* connectionOptions({ keepalive, maxMessageBytes }, "10 seconds")
    if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
      return yield* refuse("port", "be a whole number from 0 to 65,535")
    }
    if (host === "") return yield* refuse("host", "be an address or a name")
    const names = services.map(({ name }) => name)
    if (new Set(names).size < names.length) return yield* refuse("services", "name each service once")
    const context = yield* Effect.context<Needs<S> | R>()
    const calls = new Calls<Needs<S> | R>(context, middleware)
    // What the services need is the union of what each of them needs, and `context` has it.
    const methods = services.flatMap((service) => service.methods) as ReadonlyArray<Method<Needs<S> | R>>
    const listening = yield* listen({ calls, methods, options, host, port, credentials: credentialsOf(tls) }).pipe(
      Effect.mapError((refused) => new ListenFailed(refused))
    )
    return {
      host,
      port: listening.port,
      inFlight: Effect.sync(() => calls.inFlight()),
      drain: Effect.andThen(listening.drained, calls.empty)
    }
  })

const credentialsOf = (tls: Options["tls"]) => (): ServerCredentials =>
  tls === undefined
    ? ServerCredentials.createInsecure()
    : ServerCredentials.createSsl(
      tls.ca === undefined ? null : Buffer.from(tls.ca),
      [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(Redacted.value(tls.key)) }],
      tls.ca !== undefined
    )
