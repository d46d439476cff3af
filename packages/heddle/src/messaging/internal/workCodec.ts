import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import { jsonCodec } from "../../coordination/internal/kvCodec.ts"

// Core has neither Node's types nor the DOM's; every runtime has these.
declare const TextEncoder: new() => { readonly encode: (text: string) => Uint8Array }
declare const TextDecoder: new(label: string, options: { readonly fatal: boolean }) => {
  readonly decode: (bytes: Uint8Array) => string
}
const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true })

/** Values as JSON text in UTF-8. What goes wrong is told in words. Where the schema needs no effect, what is answered is an `Exit`. */
export interface WorkCodec<A> {
  readonly encode: (value: A) => Effect.Effect<Uint8Array, string>
  readonly decode: (bytes: Uint8Array) => Effect.Effect<A, string>
}

export const workCodec = <A>(schema: Schema.Codec<A, unknown>): WorkCodec<A> => {
  const { fromJson, toJson } = jsonCodec(schema)
  return {
    encode: (value) =>
      Effect.mapBothEager(toJson(value), {
        onSuccess: (json) => encoder.encode(JSON.stringify(json)),
        onFailure: ({ message }) => message
      }),
    decode: (bytes) => {
      let parsed: unknown
      try {
        parsed = JSON.parse(decoder.decode(bytes))
      } catch (error) {
        return Effect.fail(String(error))
      }
      return Effect.mapErrorEager(fromJson(parsed), ({ message }) => message)
    }
  }
}

/** Whether an effect is one that has ended already: nobody needs to run it. */
export const isDone = <A, E>(effect: Effect.Effect<A, E>): effect is Exit.Exit<A, E> => Exit.isExit(effect)

/** All of them in order, at once where the schema needs no effect. One that cannot be encoded refuses all. */
export const encodeAll = <A>(
  { encode }: WorkCodec<A>,
  values: ReadonlyArray<A>
): Effect.Effect<ReadonlyArray<Uint8Array>, string> => {
  const all: Array<Uint8Array> = []
  for (const value of values) {
    const one = encode(value)
    if (!isDone(one)) return Effect.forEach(values, encode)
    if (Exit.isFailure(one)) return Effect.failCause(one.cause)
    all.push(one.value)
  }
  return Effect.succeed(all)
}

/** All that passes through a queue. What has no schema is nothing. */
export interface WorkCodecs<A, S, E, P> {
  readonly payload: WorkCodec<A>
  readonly success: WorkCodec<S> | undefined
  readonly error: WorkCodec<E> | undefined
  readonly progress: WorkCodec<P> | undefined
}
