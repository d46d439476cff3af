import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { InvalidOption } from "../../internal/InvalidOption.ts"
import type { AppendOptions, ConsumeOptions, Entry, Log, Options, ReadOptions } from "../Log.ts"
import { type Entry as Raw, InvalidMessage, type Trimmed, Undecodable } from "../LogEntry.ts"
import { LogStore } from "../LogStore.ts"
import { consuming } from "./logConsume.ts"
import { appendedTally } from "./logMetrics.ts"
import { callHeaders } from "./topicTrace.ts"
import { encodeAll, type WorkCodec, workCodec } from "./workCodec.ts"

export const makeLog = <A>({ name, payload, retention }: Options<A>): Log<A> => {
  const codec = workCodec(payload)

  const appendAll = (values: ReadonlyArray<A>, { headers }: AppendOptions = {}) =>
    Effect.gen(function*() {
      const { append } = yield* LogStore
      const payloads = yield* Effect.mapErrorEager(encodeAll(codec, values), invalid)
      const own = yield* callHeaders
      const all = headers === undefined ? own : { ...headers, ...own }
      const offsets = yield* append(name, payloads.map((payload) => ({ payload, headers: all })), retention)
      appendedTally(yield* Effect.context<never>(), name).appended += offsets.length
      return offsets
    })

  return {
    name,
    appendAll,
    append: (value, options) => Effect.map(appendAll([value], options), ([offset = 0n]) => offset),
    read: <E, R>({ from = "oldest", onUndecodable = warn }: ReadOptions<E, R> = {}) =>
      Effect.flatMap(LogStore, ({ read }) =>
        Effect.map(read(name, from), ({ entries }) =>
          entries.pipe(
            Stream.mapEffect((entry) =>
              Effect.matchEffect(decoded(name, codec, entry), {
                onSuccess: (value) => Effect.succeed(value),
                onFailure: (undecodable) => Effect.as(onUndecodable(undecodable), undefined)
              })
            ),
            Stream.filter((entry) => entry !== undefined)
          ))),
    consume: <E, R, EU = never, RU = never, ET = never, RT = never>(
      consumer: string,
      handler: (entry: Entry<A>) => Effect.Effect<void, E, R>,
      options: ConsumeOptions<EU, RU, ET, RT> = {}
    ) => {
      const { concurrency = 1, from = "oldest", onTrimmed, onUndecodable = warn } = options
      return Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= 1000
        ? consuming<A, E, R, EU, RU, ET | Trimmed, RT>({
          log: name,
          consumer,
          from,
          concurrency,
          decode: (entry) => decoded(name, codec, entry),
          handler,
          onUndecodable,
          onTrimmed: onTrimmed ?? Effect.fail
        })
        : Effect.fail(
          new InvalidOption({ option: "concurrency", message: "concurrency must be a whole number from 1 to 1,000" })
        )
    },
    position: (consumer) => Effect.flatMap(LogStore, ({ position }) => position(name, consumer))
  }
}

const decoded = <A>(log: string, codec: WorkCodec<A>, entry: Raw): Effect.Effect<Entry<A>, Undecodable> => {
  const { headers, offset, payload, time } = entry
  return Effect.mapBoth(codec.decode(payload), {
    onSuccess: (value) => ({ value, offset, time, headers }),
    onFailure: (reason) => new Undecodable({ log, offset, payload, headers, reason })
  })
}

const warn = ({ message }: Undecodable): Effect.Effect<void> => Effect.logWarning(`${message}; it is passed over`)

const invalid = (reason: string) => new InvalidMessage({ field: "payload", message: `payload: ${reason}` })
