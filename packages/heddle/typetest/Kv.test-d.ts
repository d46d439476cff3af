import type { Context, Option, Stream } from "effect"
import { Effect, Schema } from "effect"
import { Kv, type KvEntry, type KvStore } from "heddle/coordination"
import { expectTypeOf, test } from "vitest"

interface Clockwork {
  readonly _: unique symbol
}
declare const Clockwork: Context.Service<Clockwork, { readonly now: number }>
declare const served: Schema.Codec<Date, string, Clockwork>

const kv = Kv.make({ namespace: "n", schema: Schema.Struct({ at: Schema.DateFromString }) })
interface Value {
  readonly at: Date
}

test("a value is what the schema decodes to, not what is kept", () => {
  expectTypeOf(kv).toEqualTypeOf<Kv.Kv<Value>>()
  expectTypeOf(kv.get("k")).toEqualTypeOf<
    Effect.Effect<Option.Option<Kv.Entry<Value>>, KvStore.ReadError | KvEntry.Undecodable, KvStore.KvStore>
  >()
  // @ts-expect-error what is kept is not what is put
  kv.put("k", { at: "2026-11-26" })
})

test("AC-40.3 a stream does not fail for what cannot be decoded: it tells it", () => {
  expectTypeOf(kv.changes).toEqualTypeOf<Stream.Stream<Kv.Change<Value>, KvStore.ReadError, KvStore.KvStore>>()
  expectTypeOf<Extract<Kv.Change<Value>, { readonly _tag: "Undecodable" }>>().toEqualTypeOf<KvEntry.Undecodable>()
})

test("what the schema needs is asked for where it is used", () => {
  const needy = Kv.make({ namespace: "n", schema: served })
  expectTypeOf<Effect.Services<ReturnType<typeof needy.get>>>().toEqualTypeOf<KvStore.KvStore | Clockwork>()
  expectTypeOf<Effect.Services<ReturnType<typeof needy.put>>>().toEqualTypeOf<KvStore.KvStore>()
})

test("a modification has the errors, the needs and the result of its function", () => {
  const modified = kv.modify("k", (now) => Effect.as(Effect.asVoid(Clockwork), [1, now] as const))
  expectTypeOf<Effect.Success<typeof modified>>().toEqualTypeOf<1>()
  expectTypeOf<Effect.Services<typeof modified>>().toEqualTypeOf<KvStore.KvStore | Clockwork>()
  const refused = kv.modify("k", () => Effect.fail("mine" as const))
  expectTypeOf<Effect.Error<typeof refused>>().toEqualTypeOf<
    "mine" | KvEntry.Conflict | KvEntry.Undecodable | KvStore.WriteError
  >()
})
