/** Methods whatever their messages are: requests come decoded, answers go encoded. */
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary
} from "@bufbuild/protobuf"
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { GrpcCall } from "../GrpcCall.ts"
import { GrpcError } from "../GrpcError.ts"
import type { HandlerError } from "../GrpcService.ts"

/** As metrics, spans and `GrpcCall` name it: `package.Service/Method`. */
export const nameOf = ({ name, parent }: DescMethod): string => `${parent.typeName}/${name}`

export const encode = <M extends DescMessage>(schema: M, message: MessageInitShape<M>): Buffer => {
  const bytes = toBinary(schema, create(schema, message))
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** What comes from a call, and goes to it. */
export interface Io {
  /** The request, where there is one. */
  readonly request: Message
  /** The requests, where there are many. */
  readonly requests: Stream.Stream<Message>
  readonly write: (answers: ReadonlyArray<Buffer>) => Effect.Effect<void>
}

/** A message, or what makes one. */
export type Init = MessageInitShape<DescMessage>

/** A handler of any kind: a method's kind says which of the two it takes, and which of the two it gives. */
export type Handler<R> = (input: Message | Stream.Stream<Message>) => Answer<R>

type Answer<R> =
  | Effect.Effect<Init, HandlerError, R | GrpcCall>
  | Stream.Stream<Init, HandlerError, R | GrpcCall>

export interface Method<out R> {
  readonly name: string
  readonly descriptor: DescMethod
  readonly decode: (bytes: Buffer) => Message
  /** Runs the handler. The one answer is its result; many are written, and its result is nothing. */
  readonly run: (io: Io) => Effect.Effect<Buffer | undefined, HandlerError, R | GrpcCall>
}

export const methodOf = <R>(descriptor: DescMethod, handler: Handler<R>): Method<R> => {
  const { input, methodKind, output } = descriptor
  const takesMany = methodKind === "client_streaming" || methodKind === "bidi_streaming"
  return {
    name: nameOf(descriptor),
    descriptor,
    decode: (bytes) => fromBinary(input, bytes),
    run: (io) =>
      Effect.suspend(() => {
        const answer = handler(takesMany ? io.requests : io.request)
        if (Effect.isEffect(answer)) return Effect.map(answer, (message) => encode(output, message))
        const write = (batch: Arr.NonEmptyReadonlyArray<Init>) =>
          io.write(batch.map((message) => encode(output, message)))
        return Effect.as(Stream.runForEachArray(answer, write), undefined)
      })
  }
}

/** Whoever sends one message where many could come, or none, does not speak of the same service. */
export const exactlyOne = (method: string) =>
  new GrpcError({ code: "UNIMPLEMENTED", message: `${method} has one answer, and another number came` })
