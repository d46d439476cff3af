/**
 * How a call failed, as both sides see it: one of gRPC's codes, a message, and details.
 *
 * A handler fails with it and the client gets it back; what the two were written in makes no difference.
 *
 * **Details**
 *
 * Details are messages of protobuf that travel beside the code, in the trailer `grpc-status-details-bin`, as `google.rpc` defines it.
 *
 * **Gotchas**
 *
 * The message and the details reach the caller: nothing in them that is not for the caller. A defect reaches nobody, its caller sees
 * `INTERNAL` and no more.
 *
 * @since 0.1.0
 */
import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf"
import { type Any, anyPack, AnySchema, anyUnpack } from "@bufbuild/protobuf/wkt"
import * as Schema from "effect/Schema"
import { codeNames } from "./internal/codes.ts"

/**
 * gRPC's codes, without `OK`.
 *
 * @category models
 * @since 0.1.0
 */
export type Code = (typeof codeNames)[number]

/**
 * A message beside the code, by the name of its type. `detail` makes one, `detailsOf` reads them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Detail extends Schema.Schema.Type<typeof Detail> {}

const Detail = Schema.Struct({ typeUrl: Schema.String, value: Schema.Uint8Array })

/**
 * A call failed, by its `code`. What to do next:
 *
 * - `UNAVAILABLE`: try again, after a pause; where the call is not idempotent, only if it does not matter that it may have been done.
 * - `ABORTED`: read again and begin anew. `RESOURCE_EXHAUSTED`: wait longer.
 * - `DEADLINE_EXCEEDED`, `CANCELLED`: whoever waited has given up; the call may have been done.
 * - `INVALID_ARGUMENT`, `NOT_FOUND`, `ALREADY_EXISTS`, `FAILED_PRECONDITION`, `OUT_OF_RANGE`, `PERMISSION_DENIED`, `UNAUTHENTICATED`,
 *   `UNIMPLEMENTED`: it would fail again; change the call.
 * - `INTERNAL`, `UNKNOWN`, `DATA_LOSS`: look at the server.
 *
 * @category errors
 * @since 0.1.0
 */
export class GrpcError extends Schema.TaggedError<GrpcError>()("GrpcError", {
  code: Schema.Literals(codeNames),
  message: Schema.String,
  /** Default: none. */
  details: Schema.optionalKey(Schema.Array(Detail)),
  /** What the server told at the end beside the status, as `Metadata`. Default: none. */
  metadata: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
}) {}

/**
 * Makes a detail of an error.
 *
 * @category details
 * @since 0.1.0
 */
export const detail = <M extends DescMessage>(schema: M, message: MessageInitShape<M>): Detail => {
  const { typeUrl, value } = anyPack(schema, create(schema, message))
  return { typeUrl, value }
}

/**
 * The details of one type that came with an error, in their order.
 *
 * **Example** (Which field was wrong)
 *
 * ```ts
 * import { StringValueSchema } from "@bufbuild/protobuf/wkt"
 * import { GrpcError } from "@heddle/grpc"
 *
 * const wrong = new GrpcError.GrpcError({
 *   code: "INVALID_ARGUMENT",
 *   message: "the name is empty",
 *   details: [GrpcError.detail(StringValueSchema, { value: "name" })]
 * })
 *
 * GrpcError.detailsOf(wrong, StringValueSchema).map(({ value }) => value) // => ["name"]
 * ```
 *
 * @category details
 * @since 0.1.0
 */
export const detailsOf = <M extends DescMessage>(error: GrpcError, schema: M): ReadonlyArray<MessageShape<M>> =>
  (error.details ?? []).flatMap((one) => unpacked(create(AnySchema, one), schema))

/** What came from elsewhere may be named as this type and not be it. */
const unpacked = <M extends DescMessage>(any: Any, schema: M): ReadonlyArray<MessageShape<M>> => {
  try {
    const message = anyUnpack(any, schema)
    return message === undefined ? [] : [message]
  } catch {
    return []
  }
}
