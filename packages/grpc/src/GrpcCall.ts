/**
 * The call that a handler answers: which one it is, what came beside the request, and what goes beside the answer.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { GrpcError } from "./GrpcError.ts"

/**
 * What travels beside the messages of a call: names with text.
 *
 * **Details**
 *
 * Names are lower-case letters, digits and `_ - .`, values printable ASCII; a name that comes more than once has its values joined by
 * `, `. A name that ends in `-bin` carries bytes, and its value is their base64. Names that begin with `grpc-` are gRPC's own.
 *
 * @category models
 * @since 0.1.0
 */
export type Metadata = Readonly<Record<string, string>>

/**
 * The call of the handler, or of the middleware, that asks.
 *
 * @category services
 * @since 0.1.0
 */
export class GrpcCall extends Context.Service<GrpcCall, {
  /** As `package.Service/Method`. */
  readonly method: string
  /** What came beside the request. */
  readonly metadata: Metadata
  /** The address that it came from. */
  readonly peer: string
  /** Sends metadata before the first message of the answer; later calls do nothing. Metadata that cannot travel is `INVALID_ARGUMENT`. */
  readonly sendMetadata: (metadata: Metadata) => Effect.Effect<void, GrpcError>
  /** Says what goes with the status of an answer that succeeds, in place of what was said before. */
  readonly setTrailers: (trailers: Metadata) => Effect.Effect<void, GrpcError>
}>()("heddle/GrpcCall") {}
