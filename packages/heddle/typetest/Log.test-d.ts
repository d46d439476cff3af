import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { InvalidOption } from "heddle/messaging"
import { Log, type LogEntry, type LogStore } from "heddle/messaging"
import { expectTypeOf, test } from "vitest"

const log = Log.make({ name: "l", payload: Schema.Number })
type ReadError = InvalidOption | LogEntry.InvalidMessage | LogEntry.StoreUnavailable
type Lost = LogEntry.StoreUnavailable | LogEntry.Trimmed
declare const store: Effect.Effect<void, "full", "store">

test("what is read fails as the sink does, and needs what it needs", () => {
  expectTypeOf(log.read()).toEqualTypeOf<
    Effect.Effect<Stream.Stream<Log.Entry<number>, Lost>, ReadError, LogStore.LogStore>
  >()
  expectTypeOf(log.read({ onUndecodable: () => store })).toEqualTypeOf<
    Effect.Effect<Stream.Stream<Log.Entry<number>, "full" | Lost, "store">, ReadError, LogStore.LogStore>
  >()
})

test("a consumer fails as its handler does, and does not end", () => {
  expectTypeOf(log.consume("c", () => store)).toEqualTypeOf<
    Effect.Effect<
      never,
      "full" | LogEntry.ConsumerReplaced | LogEntry.Trimmed | ReadError,
      "store" | LogStore.LogStore
    >
  >()
  const strict = log.consume("c", () => Effect.void, { onUndecodable: Effect.fail<LogEntry.Undecodable> })
  expectTypeOf(strict).toEqualTypeOf<
    Effect.Effect<
      never,
      LogEntry.ConsumerReplaced | LogEntry.Trimmed | LogEntry.Undecodable | ReadError,
      LogStore.LogStore
    >
  >()
})

test("what is appended is of the schema", () => {
  expectTypeOf<Parameters<typeof log.append>[0]>().toEqualTypeOf<number>()
  // @ts-expect-error a text is none
  log.append("1")
})
