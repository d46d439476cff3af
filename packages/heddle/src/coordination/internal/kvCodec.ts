import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Entry } from "../KvEntry.ts"
import { InvalidKey, Undecodable } from "../KvEntry.ts"

// Core has neither Node's types nor the DOM's; every runtime has these.
declare const TextEncoder: new() => { readonly encode: (text: string) => Uint8Array }
declare const TextDecoder: new(label: string, options: { readonly fatal: boolean }) => {
  readonly decode: (bytes: Uint8Array) => string
}
const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true })

/** Values as JSON. */
export interface JsonCodec<A, RD, RE> {
  readonly toJson: (value: A) => Effect.Effect<Schema.Json, Schema.SchemaError, RE>
  readonly fromJson: (json: unknown) => Effect.Effect<A, Schema.SchemaError, RD>
}

export const jsonCodec = <A, RD, RE>(schema: Schema.Codec<A, unknown, RD, RE>): JsonCodec<A, RD, RE> => {
  const json = Schema.toCodecJson(schema)
  return { toJson: Schema.encodeEffect(json), fromJson: Schema.decodeUnknownEffect(json) }
}

/** Values as JSON text in UTF-8. */
export interface KvCodec<A, RD, RE> {
  readonly encode: (value: A) => Effect.Effect<Uint8Array, InvalidKey, RE>
  /** `key` is what the caller calls the entry. */
  readonly decode: (key: string, entry: Entry) => Effect.Effect<A, Undecodable, RD>
}

/** `JSON.parse` and then the schema: in one step, as `Schema.fromJsonString` does it, it takes four times as long. */
export const kvCodec = <A, RD, RE>(schema: Schema.Codec<A, unknown, RD, RE>): KvCodec<A, RD, RE> => {
  const { fromJson, toJson } = jsonCodec(schema)
  return {
    encode: (value) =>
      Effect.matchEffect(toJson(value), {
        onSuccess: (json) => Effect.succeed(encoder.encode(JSON.stringify(json))),
        onFailure: ({ message }) => Effect.fail(new InvalidKey({ field: "value", message: `value: ${message}` }))
      }),
    decode: (key, { revision, value: bytes }) =>
      Effect.suspend(() => {
        const wrong = (reason: string) => Effect.fail(new Undecodable({ key, revision, bytes, reason }))
        let parsed: unknown
        try {
          parsed = JSON.parse(decoder.decode(bytes))
        } catch (error) {
          return wrong(String(error))
        }
        return Effect.catch(({ message }: Schema.SchemaError) => wrong(message))(fromJson(parsed))
      })
  }
}
