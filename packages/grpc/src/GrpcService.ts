/**
 * A service of gRPC with its handlers: what `GrpcServer` serves.
 *
 * A service is described once, in a `.proto` file from which protobuf-es makes a descriptor. A handler is a function of the request:
 * to an Effect where one answer comes, to a Stream where many do; where many requests come, it gets a Stream of them.
 *
 * **Details**
 *
 * A handler fails with `GrpcError`, which the caller gets, or with `DeadlineExceeded`, which is `DEADLINE_EXCEEDED`. A defect is
 * logged, and its caller gets `INTERNAL` without a word about it. A handler can ask for `GrpcCall`.
 *
 * **Interruption**
 *
 * A handler is interrupted when its caller goes away or gives up, when the deadline of the call is over, and when the server closes.
 *
 * @since 0.1.0
 */
import type {
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape
} from "@bufbuild/protobuf"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Deadline } from "heddle/resilience"
import type { GrpcCall } from "./GrpcCall.ts"
import type { GrpcError } from "./GrpcError.ts"
import { type Handler, type Method, methodOf } from "./internal/method.ts"

/**
 * How a handler can fail.
 *
 * @category models
 * @since 0.1.0
 */
export type HandlerError = GrpcError | Deadline.DeadlineExceeded

/**
 * The handlers of a service, by the names of its methods.
 *
 * @category models
 * @since 0.1.0
 */
export type Handlers<S extends DescService, R> = {
  readonly [M in keyof S["method"]]: S["method"][M] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>) => Effect.Effect<MessageInitShape<O>, HandlerError, R>
    : S["method"][M] extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>) => Stream.Stream<MessageInitShape<O>, HandlerError, R>
    : S["method"][M] extends DescMethodClientStreaming<infer I, infer O>
      ? (requests: Stream.Stream<MessageShape<I>>) => Effect.Effect<MessageInitShape<O>, HandlerError, R>
    : S["method"][M] extends DescMethodBiDiStreaming<infer I, infer O>
      ? (requests: Stream.Stream<MessageShape<I>>) => Stream.Stream<MessageInitShape<O>, HandlerError, R>
    : never
}

/**
 * What handlers need of their surroundings.
 *
 * @category models
 * @since 0.1.0
 */
export type Needs<H> = {
  [M in keyof H]: H[M] extends (request: never) => Effect.Effect<unknown, unknown, infer R> ? Known<R>
    : H[M] extends (request: never) => Stream.Stream<unknown, unknown, infer R> ? Known<R>
    : never
}[keyof H]

/** Of a generic handler, as `Stream.map(f)` is one, nothing is known: it needs what its requests need, and that is nothing. */
type Known<R> = unknown extends R ? never : R

/**
 * A service with its handlers, which need `R`.
 *
 * @category models
 * @since 0.1.0
 */
export interface GrpcService<out R> {
  /** As `package.Service`. */
  readonly name: string
  readonly methods: ReadonlyArray<Method<R>>
}

/**
 * Gives a service its handlers, one for each of its methods.
 *
 * **Example** (The descriptor comes from a `.proto` file)
 *
 * ```ts
 * import { Greeter } from "@heddle/example-50-greeter/greeter"
 * import { GrpcService } from "@heddle/grpc"
 * import { Effect, Stream } from "effect"
 *
 * const greeter = GrpcService.make(Greeter, {
 *   sayHello: ({ name }) => Effect.succeed({ message: `Hello, ${name}` }),
 *   keepGreeting: ({ name }) => Stream.make({ message: `Hello, ${name}` }, { message: `Hello again, ${name}` }),
 *   greetAll: (guests) =>
 *     Stream.runCollect(guests).pipe(Effect.map((all) => ({ message: `Hello, all ${all.length}` }))),
 *   greetEach: Stream.map(({ name }) => ({ message: `Hello, ${name}` }))
 * })
 *
 * greeter.name // => "greeter.Greeter"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <S extends DescService, H extends Handlers<S, unknown>>(
  descriptor: S,
  handlers: H
): GrpcService<Exclude<Needs<H>, GrpcCall>> => {
  // No type follows a name from the descriptor to its handler; `Handlers` has said that the two belong together.
  const all = handlers as unknown as Readonly<Record<string, Handler<Exclude<Needs<H>, GrpcCall>>>>
  return {
    name: descriptor.typeName,
    methods: descriptor.methods.flatMap((method) => {
      const handler = all[method.localName]
      return handler === undefined ? [] : [methodOf(method, handler)]
    })
  }
}
