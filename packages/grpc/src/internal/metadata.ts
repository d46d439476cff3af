import { Metadata as Wire } from "@grpc/grpc-js"
import * as Effect from "effect/Effect"
import type { Metadata } from "../GrpcCall.ts"
import { GrpcError } from "../GrpcError.ts"

const isBinary = (name: string): boolean => name.endsWith("-bin")

/** What a channel adds that adds nothing. */
export const noMetadata: Effect.Effect<Metadata> = Effect.succeed({})

/** As grpc-js has it. What is not allowed in it is refused here, and not thrown later. A value is a secret: the error does not tell it. */
export const toWire = (...all: ReadonlyArray<Metadata>): Effect.Effect<Wire, GrpcError> =>
  Effect.suspend(() => {
    const wire = new Wire()
    for (const metadata of all) {
      for (const [name, value] of Object.entries(metadata)) {
        try {
          wire.set(name, isBinary(name) ? Buffer.from(value, "base64") : value)
        } catch {
          return Effect.fail(new GrpcError({ code: "INVALID_ARGUMENT", message: `the metadata ${name} cannot travel` }))
        }
      }
    }
    return Effect.succeed(wire)
  })

export const fromWire = (wire: Wire): Metadata =>
  Object.fromEntries(
    Object.keys(wire.getMap()).map((name) => [
      name,
      wire.get(name).map((value) => typeof value === "string" ? value : value.toString("base64")).join(", ")
    ])
  )
