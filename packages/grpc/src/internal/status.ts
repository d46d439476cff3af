/** Between errors and what grpc-js sends and gets. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { AnySchema } from "@bufbuild/protobuf/wkt"
import { Metadata as Wire, type StatusObject } from "@grpc/grpc-js"
import * as Effect from "effect/Effect"
import { type Detail, GrpcError } from "../GrpcError.ts"
import { codeOf, numberOf } from "./codes.ts"
import { fromWire, toWire } from "./metadata.ts"
import { StatusSchema } from "./proto/status_pb.ts"

const trailer = "grpc-status-details-bin"

/** What is sent. A message that is no Unicode would be refused in the middle of the answer. */
export const toStatus = ({ code, details = [], message, metadata = {} }: GrpcError): StatusObject => {
  const wire = Effect.runSync(Effect.orElseSucceed(toWire(metadata), () => new Wire()))
  const text = message.toWellFormed()
  if (details.length > 0) {
    const status = create(StatusSchema, {
      code: numberOf(code),
      message: text,
      details: details.map((one) => create(AnySchema, one))
    })
    wire.set(trailer, Buffer.from(toBinary(StatusSchema, status)))
  }
  return { code: numberOf(code), details: text, metadata: wire }
}

export const fromStatus = (status: StatusObject): GrpcError => {
  const details = detailsOf(status.metadata)
  const { [trailer]: _, "content-type": __, date: ___, ...metadata } = fromWire(status.metadata)
  return new GrpcError({
    code: codeOf(status.code),
    message: status.details,
    ...(details.length === 0 ? {} : { details }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata })
  })
}

const detailsOf = (wire: Wire): ReadonlyArray<Detail> => {
  const [bytes] = wire.get(trailer)
  if (bytes === undefined || typeof bytes === "string") return []
  try {
    return fromBinary(StatusSchema, bytes).details.map(({ typeUrl, value }) => ({ typeUrl, value }))
  } catch {
    return []
  }
}
