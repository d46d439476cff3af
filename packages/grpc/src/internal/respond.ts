/** How a call is answered, by the kind of its method, as grpc-js wants it. */
import type { Message } from "@bufbuild/protobuf"
import type {
  Metadata as Wire,
  sendUnaryData,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  StatusObject,
  UntypedHandleCall
} from "@grpc/grpc-js"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { inlet, write } from "./flow.ts"
import type { Io, Method } from "./method.ts"

/** The part that calls of all kinds have. */
export interface Call {
  readonly cancelled: boolean
  readonly metadata: Wire
  readonly getDeadline: () => Date | number
  readonly getPeer: () => string
  readonly sendMetadata: (metadata: Wire) => void
  readonly on: (event: "cancelled", listener: () => void) => unknown
}

/** A call with its way in and its way out. Exactly one of `succeed` and `fail` ends it. */
export interface Exchange {
  readonly call: Call
  readonly io: Io
  readonly succeed: (answer: Buffer | undefined, trailers: Wire | undefined) => void
  readonly fail: (status: StatusObject) => void
}

const nothing: Io = { request: { $typeName: "" }, requests: Stream.empty, write: () => Effect.void }

const requestsOf = (call: ServerReadableStream<Message, Buffer> | ServerDuplexStream<Message, Buffer>) => {
  const { pull } = inlet<Message, Cause.Done>(call, () => call.readableEnded ? done : undefined)
  return Stream.fromPull(Effect.succeed(pull))
}

const done = Exit.fail(Cause.Done())

const once = (call: Call, send: sendUnaryData<Buffer>) => ({
  call,
  succeed: (answer: Buffer | undefined, trailers: Wire | undefined) => send(null, answer, trailers),
  fail: (status: StatusObject) => send(status)
})

const many = (call: ServerWritableStream<Message, Buffer> | ServerDuplexStream<Message, Buffer>) => ({
  call,
  succeed: (_: Buffer | undefined, trailers: Wire | undefined) => call.end(trailers),
  fail: (status: StatusObject) => void call.emit("error", status)
})

/** What grpc-js calls for a method. */
export const handleCall = <R>(method: Method<R>, handle: (exchange: Exchange) => void): UntypedHandleCall => {
  switch (method.descriptor.methodKind) {
    case "unary":
      return (call: ServerUnaryCall<Message, Buffer>, send: sendUnaryData<Buffer>) =>
        handle({ ...once(call, send), io: { ...nothing, request: call.request } })
    case "server_streaming":
      return (call: ServerWritableStream<Message, Buffer>) =>
        handle({
          ...many(call),
          io: { ...nothing, request: call.request, write: (answers) => write(call, answers) }
        })
    case "client_streaming":
      return (call: ServerReadableStream<Message, Buffer>, send: sendUnaryData<Buffer>) => {
        call.on("error", () => {})
        handle({ ...once(call, send), io: { ...nothing, requests: requestsOf(call) } })
      }
    case "bidi_streaming":
      return (call: ServerDuplexStream<Message, Buffer>) =>
        handle({
          ...many(call),
          io: { ...nothing, requests: requestsOf(call), write: (answers) => write(call, answers) }
        })
  }
}
