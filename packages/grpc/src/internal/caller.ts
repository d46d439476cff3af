/** The methods of a client, by their kinds. */
import { type DescMethod, type DescService, fromBinary, type Message } from "@bufbuild/protobuf"
import type { Metadata as Wire, StatusObject } from "@grpc/grpc-js"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { Deadline } from "heddle/resilience"
import type { Metadata } from "../GrpcCall.ts"
import type { GrpcChannel } from "../GrpcChannel.ts"
import type { CallOptions } from "../GrpcClient.ts"
import { GrpcError } from "../GrpcError.ts"
import { nameOf as statusName } from "./codes.ts"
import { inlet, write } from "./flow.ts"
import { noMetadata, toWire } from "./metadata.ts"
import { encode, exactlyOne, type Init, nameOf } from "./method.ts"
import { clientObserver, type Observe } from "./metrics.ts"
import { toMillis } from "./options.ts"
import { fromStatus } from "./status.ts"
import { clientSpan, clientSpanScoped, toldStatus, traceMetadata } from "./trace.ts"

type Channel = GrpcChannel["Service"]

/** One method, over one channel. */
interface Caller {
  readonly name: string
  readonly path: string
  readonly channel: Channel
  readonly serialize: (request: Init) => Buffer
  readonly deserialize: (bytes: Buffer) => Message
  readonly observe: Observe
}

/** A function for each method, as its kind says. */
export const callsOf = (descriptor: DescService, channel: Channel): Readonly<Record<string, unknown>> =>
  Object.fromEntries(descriptor.methods.map((method) => [method.localName, callOf(method, channel)]))

const callOf = (method: DescMethod, channel: Channel) => {
  const name = nameOf(method)
  const caller: Caller = {
    name,
    path: `/${name}`,
    channel,
    serialize: (request) => encode(method.input, request),
    deserialize: (bytes) => fromBinary(method.output, bytes),
    observe: clientObserver(name)
  }
  switch (method.methodKind) {
    case "unary":
      return (request: Init, options?: CallOptions) => unary(caller, request, options)
    case "server_streaming":
      return (request: Init, options?: CallOptions) => many(caller, Stream.succeed(request), options)
    case "client_streaming":
      return <E, R>(requests: Stream.Stream<Init, E, R>, options?: CallOptions) => one(caller, requests, options)
    case "bidi_streaming":
      return <E, R>(requests: Stream.Stream<Init, E, R>, options?: CallOptions) => many(caller, requests, options)
  }
}

/** What goes with a call, and by when it ends. */
const terms = ({ channel, name }: Caller, { metadata = {}, timeout = Infinity }: CallOptions = {}) =>
  Effect.gen(function*() {
    const given = Math.min(yield* Deadline.remaining, toMillis(timeout))
    if (!(given > 0)) return yield* late(name)
    const began = performance.now()
    const wire: Wire = yield* toWire(yield* added(channel, given, name), metadata, yield* traceMetadata)
    const left = given - (performance.now() - began)
    if (!(left > 0)) return yield* late(name)
    const context = yield* Effect.context<never>()
    // The library can wait for 24 days, and no longer.
    return { wire, context, options: left < 2 ** 31 ? { deadline: Date.now() + Math.ceil(left) } : {} }
  })

/** What the channel adds: to fetch a token is a part of the call, and of its time. */
const added = ({ metadata }: Channel, millis: number, name: string): Effect.Effect<Metadata, GrpcError> =>
  metadata === noMetadata || millis === Infinity
    ? metadata
    : Effect.timeoutOrElse(metadata, { duration: millis, orElse: () => late(name) })

const late = (name: string) => new GrpcError({ code: "DEADLINE_EXCEEDED", message: `no time was left for ${name}` })

const closed = () =>
  new GrpcError({ code: "FAILED_PRECONDITION", message: "the channel is closed: keep its scope open" })

const codeOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "OK"
  const failed = exit.cause.reasons.find((reason) => reason._tag === "Fail")
  if (Cause.isDone(failed?.error)) return "OK"
  return failed?.error instanceof GrpcError ? failed.error.code : "CANCELLED"
}

const unary = (caller: Caller, request: Init, options: CallOptions | undefined): Effect.Effect<Message, GrpcError> => {
  const { channel, deserialize, name, observe, path, serialize } = caller
  const call = Effect.flatMap(
    terms(caller, options),
    ({ context, options, wire }) =>
      Effect.callback<Message, GrpcError>((resume) => {
        const began = performance.now()
        try {
          const call = channel.client.makeUnaryRequest(
            path,
            serialize,
            deserialize,
            request,
            wire,
            options,
            (error, answer) => {
              observe(statusName(error?.code ?? 0), began, context)
              if (error !== null) resume(Effect.fail(fromStatus(error)))
              else resume(answer === undefined ? Effect.fail(exactlyOne(name)) : Effect.succeed(answer))
            }
          )
          return Effect.sync(() => call.cancel())
        } catch {
          resume(Effect.fail(closed()))
        }
      })
  )
  return clientSpan(name, Effect.onExit(call, (exit) => toldStatus(codeOf(exit))))
}

/** The answers of a call whose requests are a stream, as they come. Its scope is the call's. */
const open = <E, R>(caller: Caller, requests: Stream.Stream<Init, E, R>, options: CallOptions | undefined) =>
  // A call that began without somebody who ends it would go on for ever.
  Effect.flatMap(terms(caller, options), (terms) => Effect.uninterruptible(begin(caller, requests, terms)))

const begin = <E, R>(
  { channel, deserialize, observe, path, serialize }: Caller,
  requests: Stream.Stream<Init, E, R>,
  { context, options, wire }: Effect.Success<ReturnType<typeof terms>>
) =>
  Effect.gen(function*() {
    const began = performance.now()
    const call = yield* Effect.try({
      try: () => channel.client.makeBidiStreamRequest(path, serialize, deserialize, wire, options),
      catch: closed
    })
    let over: Exit.Exit<never, GrpcError | E | Cause.Done> | undefined
    let broken: Cause.Cause<E> | undefined
    const answers = inlet<Message, GrpcError | E | Cause.Done>(call, () => over)
    // The status comes with the same content; an error without a listener would end the process.
    call.on("error", () => {})
    call.on("status", (status: StatusObject) => {
      over = broken !== undefined
        ? Exit.failCause(broken)
        : status.code === 0
        ? Exit.fail(Cause.Done())
        : Exit.fail(fromStatus(status))
      observe(statusName(status.code), began, context)
      answers.wake()
    })
    const sending = requests.pipe(
      Stream.runForEachArray((batch) => write(call, batch)),
      Effect.matchCause({
        onSuccess: () => {
          call.end()
        },
        onFailure: (cause) => {
          broken = cause
          call.cancel()
        }
      })
    )
    yield* Effect.forkScoped(sending)
    // Before the sender is interrupted, as what it runs may take its time to end.
    yield* Effect.addFinalizer(() => {
      call.cancel()
      return toldStatus(over === undefined ? "CANCELLED" : codeOf(over))
    })
    return Stream.fromPull(Effect.succeed(answers.pull))
  })

const many = <E, R>(caller: Caller, requests: Stream.Stream<Init, E, R>, options: CallOptions | undefined) =>
  Stream.unwrap(clientSpanScoped(caller.name, open(caller, requests, options)))

const one = <E, R>(caller: Caller, requests: Stream.Stream<Init, E, R>, options: CallOptions | undefined) =>
  Effect.gen(function*() {
    const answers = yield* Stream.runCollect(Stream.take(yield* open(caller, requests, options), 2))
    const [answer] = answers
    if (answer === undefined || answers.length > 1) return yield* exactlyOne(caller.name)
    return answer
  }).pipe(Effect.scoped, (call) => clientSpan(caller.name, call))
