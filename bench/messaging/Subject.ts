/** One subject in a benchmark: values of about a hundred bytes, four subscribers in one process, each of which decodes what it hears. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Broker, Topic } from "heddle/messaging"
import type { Load, Open } from "../harness/Load.ts"

export const Value = Schema.Struct({ id: Schema.Number, city: Schema.String, note: Schema.String })
export type Value = typeof Value.Type

const value = (id: number): Value => ({
  id,
  city: "Kyoto",
  note: "a hundred bytes of a message that somebody else listens to, or so"
})

export const subscribers = 4
/** How many are on their way to the broker at once. */
const inFlight = 100

/** A contender: `connect` is told what to call for each value that a subscriber has decoded. */
export const opening = (
  connect: (url: string, heard: (value: Value) => void) => Promise<(value: Value) => Promise<unknown>>
): Open =>
async (url) => {
  let left = 0
  let end = (): void => {}
  const publish = await connect(url, () => {
    if (--left === 0) end()
  })
  return {
    run: async (count) => {
      left = subscribers * count
      const all = new Promise<void>((resolve) => void (end = resolve))
      for (let sent = 0; sent < count; sent += inFlight) {
        await Promise.all(
          Array.from({ length: Math.min(inFlight, count - sent) }, (_, at) => publish(value(sent + at)))
        )
      }
      await all
    }
  } satisfies Load
}

/** The raw client's part of the work: the same schema, from bytes. */
export const decode: (json: string) => Value = Schema.decodeUnknownSync(Schema.fromJsonString(Value))
export const encode: (value: Value) => string = Schema.encodeSync(Schema.fromJsonString(Value))

/** Heddle's `Topic` on a broker. */
export const heddle = <E>(layer: (url: string) => Layer.Layer<Broker.Broker, E>): Open =>
  opening(async (url, heard) => {
    const topic = Topic.make({ name: "bench.values", payload: Value })
    const scope = Scope.makeUnsafe()
    const context = await Effect.runPromise(Layer.buildWithScope(layer(url), scope))
    const run = Effect.runPromiseWith(context)
    const hear = Effect.gen(function*() {
      const { messages } = yield* topic.subscribe({ buffer: Infinity })
      yield* Effect.forkScoped(Stream.runForEach(messages, ({ value }) => Effect.sync(() => heard(value))))
    })
    await run(Scope.provide(Effect.all(Array.from({ length: subscribers }, () => hear)), scope))
    return (value) => run(topic.publish(value))
  })
