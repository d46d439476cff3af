/** One connection to etcd: calls with a deadline, credentials, and errors that are already mapped. */
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf"
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import type { ChannelOptions } from "@grpc/grpc-js"
import { Client, Metadata } from "@grpc/grpc-js"
import type { ChannelCredentials } from "@grpc/grpc-js"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { EtcdError } from "../EtcdError.ts"
import * as Endpoints from "./Endpoints.ts"
import * as Failure from "./Failure.ts"
import * as Proto from "./proto/etcd_pb.ts"

/** One remote procedure, with its messages on the wire. */
export interface Method<in I, out O> {
  readonly path: string
  readonly serialize: (request: I) => Buffer
  readonly deserialize: (bytes: Buffer) => O
}

export const method = <I extends DescMessage, O extends DescMessage>(
  descriptor: DescMethod & { readonly input: I; readonly output: O }
): Method<MessageInitShape<I>, MessageShape<O>> => ({
  path: `/${descriptor.parent.typeName}/${descriptor.name}`,
  serialize: (request) => {
    const bytes = toBinary(descriptor.input, create(descriptor.input, request))
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  },
  deserialize: (bytes) => fromBinary(descriptor.output, bytes)
})

export interface Channel {
  /** The longest that a call waits for its answer, in milliseconds. */
  readonly timeout: number
  /**
   * Calls with a deadline. A member that has no leader, or a new one, says so instead of doing anything: then others are asked,
   * until the deadline. Interruption cancels the call.
   */
  readonly unary: <I, O>(method: Method<I, O>, request: I) => Effect.Effect<O, EtcdError>
  /** `unary` to any member, with a leader or without. */
  readonly unaryLocal: <I, O>(method: Method<I, O>, request: I) => Effect.Effect<O, EtcdError>
  /**
   * Opens a stream, hands `send` and a way to give the stream up to `opened`, and every answer to `received`. Fails when the
   * stream has ended.
   */
  readonly stream: <I, O>(
    method: Method<I, O>,
    opened: (send: (request: I) => void, giveUp: () => void) => void,
    received: (response: O) => void
  ) => Effect.Effect<never, EtcdError>
}

export interface Options {
  readonly members: ReadonlyArray<string>
  readonly credentials: ChannelCredentials
  readonly login: { readonly name: string; readonly password: Redacted.Redacted } | undefined
  readonly timeout: number
}

const shared: ChannelOptions = {
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.min_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 500,
  "grpc.keepalive_timeout_ms": 1000,
  "grpc.max_receive_message_length": -1,
  "grpc.service_config_disable_resolution": 1,
  "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] })
}

// Pings find a member that stopped answering without closing its connection. On a quiet stream etcd takes one ping in five
// seconds (`--grpc-keepalive-min-time`) and drops a connection that pings more. A call is answered or over long before it
// has pinged too often, so calls have a connection of their own, where a dead member is found twice as fast.
const callOptions: ChannelOptions = { ...shared, "grpc.keepalive_time_ms": 2000 }
const streamOptions: ChannelOptions = { ...shared, "grpc.keepalive_time_ms": 5500 }

const authenticate = method(Proto.Auth.method.authenticate)

export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Channel, never, Scope.Scope> {
  const { login, timeout } = options
  const target = Endpoints.target(options.members)
  let closed = false
  const clients = yield* Effect.acquireRelease(
    Effect.sync(() => ({
      calls: new Client(target, options.credentials, callOptions),
      streams: new Client(target, options.credentials, streamOptions)
    })),
    ({ calls, streams }) =>
      Effect.sync(() => {
        closed = true
        calls.close()
        streams.close()
      })
  )

  const call = <I, O>(method: Method<I, O>, request: I, metadata: Metadata, deadline?: number) =>
    Effect.callback<O, EtcdError>((resume) => {
      if (closed) return resume(Effect.fail(Failure.of("Closed", method.path)))
      const call = clients.calls.makeUnaryRequest(
        method.path,
        method.serialize,
        method.deserialize,
        request,
        metadata,
        { deadline: deadline ?? Date.now() + timeout },
        (error, response) => {
          if (error !== null) return resume(Effect.fail(Failure.fromStatus(error)))
          resume(
            response === undefined ? Effect.fail(Failure.of("Unknown", "an empty answer")) : Effect.succeed(response)
          )
        }
      )
      return Effect.sync(() => call.cancel())
    })

  const anonymous = led()
  let token: Metadata | undefined = login === undefined ? anonymous : undefined
  const one = Semaphore.makeUnsafe(1)
  const logIn = one.withPermit(Effect.suspend(() => {
    if (token !== undefined || login === undefined) return Effect.succeed(token ?? anonymous)
    const request = { name: login.name, password: Redacted.value(login.password) }
    return Effect.map(call(authenticate, request, anonymous), (answer) => {
      token = led()
      token.set("token", answer.token)
      return token
    })
  }))
  const withToken = <A>(use: (token: Metadata) => Effect.Effect<A, EtcdError>) =>
    Effect.suspend(() => token === undefined ? Effect.flatMap(logIn, use) : use(token))
  // etcd forgets tokens after a time and when it restarts. The refused call did nothing, so it may go again.
  const forget = (old: Metadata) => {
    if (login !== undefined && token === old) token = undefined
  }

  const unaryLocal: Channel["unaryLocal"] = (method, request) =>
    asUser((token) => {
      const metadata = token.clone()
      metadata.remove(hasLeader)
      return call(method, request, metadata)
    })

  const asUser = <A>(use: (token: Metadata) => Effect.Effect<A, EtcdError>) =>
    login === undefined
      ? use(anonymous)
      : withToken((token) =>
        Effect.catchIf(use(token), (error) => error.reason === "Unauthenticated", () => {
          forget(token)
          return withToken(use)
        })
      )

  const unary: Channel["unary"] = <I, O>(method: Method<I, O>, request: I) =>
    Effect.suspend(() => {
      const deadline = Date.now() + timeout
      let pause = 0
      const ask: Effect.Effect<O, EtcdError> = Effect.catchIf(
        asUser((token) => call(method, request, token, deadline)),
        (error) => Failure.isLeaderless(error) && Date.now() + pause < deadline,
        () => {
          const asked = Effect.delay(ask, pause)
          pause = Math.min(pause + 10, 100)
          return asked
        }
      )
      return ask
    })

  const stream: Channel["stream"] = (method, opened, received) =>
    withToken((token) =>
      Effect.callback<never, EtcdError>((resume) => {
        if (closed) return resume(Effect.fail(Failure.of("Closed", method.path)))
        const stream = clients.streams.makeBidiStreamRequest(
          method.path,
          method.serialize,
          method.deserialize,
          token
        )
        let live = true
        const end = () => {
          live = false
          stream.cancel()
        }
        stream.on("data", (response) => {
          if (live) received(response)
        })
        // The status follows with the same content; without a listener the error would end the process.
        stream.on("error", () => {})
        stream.on("status", (status: Failure.Status) => {
          live = false
          forget(token)
          resume(
            Effect.fail(Failure.fromStatus(status.code === 0 ? { code: 14, details: "the stream ended" } : status))
          )
        })
        opened((request) => stream.write(request), () => {
          end()
          resume(Effect.fail(Failure.of("DeadlineExceeded", method.path)))
        })
        return Effect.sync(end)
      })
    )

  return { timeout, unary, unaryLocal, stream }
})

const hasLeader = "hasleader"

/** A member that has no leader refuses a call at once and ends a stream, instead of leaving them unanswered. */
const led = (): Metadata => {
  const metadata = new Metadata()
  metadata.set(hasLeader, "true")
  return metadata
}
