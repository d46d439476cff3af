/**
 * Calls a service of gRPC.
 *
 * **Details**
 *
 * A call ends no later than the caller's `Deadline`, which the server is told, and takes the caller's place in a trace along. Nothing is
 * tried again by itself, except what the server has surely not seen: `Retry` of `heddle/resilience` does it, where the code says that
 * it helps.
 *
 * **Interruption**
 *
 * An interrupted call is cancelled: the server is told, and the handler stops. It may have been done all the same.
 *
 * **Gotchas**
 *
 * When a stream fails, answers that came shortly before can be lost: gRPC gives the failure at once.
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
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Metadata } from "./GrpcCall.ts"
import { GrpcChannel } from "./GrpcChannel.ts"
import type { GrpcError } from "./GrpcError.ts"
import { callsOf } from "./internal/caller.ts"

/**
 * What goes with one call.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallOptions {
  /** Beside the request, after what the channel adds. */
  readonly metadata?: Metadata | undefined
  /**
   * How long the call may take; for streams, until their end. Default: as long as the caller's `Deadline` has. No time at all (0, less,
   * NaN) is `DEADLINE_EXCEEDED` before anything is sent.
   */
  readonly timeout?: Duration.Input | undefined
}

/**
 * A service's methods: to an Effect where one answer comes, to a Stream where many do; where many requests go, they are a Stream, and
 * its failure cancels the call and is the failure of the whole.
 *
 * @category models
 * @since 0.1.0
 */
export type GrpcClient<S extends DescService> = {
  readonly [M in keyof S["method"]]: S["method"][M] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Effect.Effect<MessageShape<O>, GrpcError>
    : S["method"][M] extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => Stream.Stream<MessageShape<O>, GrpcError>
    : S["method"][M] extends DescMethodClientStreaming<infer I, infer O> ? <E, R>(
        requests: Stream.Stream<MessageInitShape<I>, E, R>,
        options?: CallOptions
      ) => Effect.Effect<MessageShape<O>, GrpcError | E, R>
    : S["method"][M] extends DescMethodBiDiStreaming<infer I, infer O> ? <E, R>(
        requests: Stream.Stream<MessageInitShape<I>, E, R>,
        options?: CallOptions
      ) => Stream.Stream<MessageShape<O>, GrpcError | E, R>
    : never
}

/**
 * A client of a service, over the channel that is there.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <S extends DescService>(descriptor: S): Effect.Effect<GrpcClient<S>, never, GrpcChannel> =>
  // No type follows a name from the descriptor to its method; `callsOf` makes of each what its kind says.
  Effect.map(GrpcChannel, (channel) => callsOf(descriptor, channel) as GrpcClient<S>)
