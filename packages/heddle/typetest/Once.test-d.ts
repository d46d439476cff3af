import type { Context } from "effect"
import { Effect, Schema } from "effect"
import { type KvStore, Once } from "heddle/coordination"
import { expectTypeOf, test } from "vitest"

declare const Clockwork: Context.Service<"Clockwork", { readonly now: number }>
declare const decoding: Schema.Codec<Date, string, "Decoding", "Encoding">

test("a run has the result of its schema, the errors of its own and those of the effect", () => {
  const once = Once.run({ key: "k", success: Schema.DateFromString, error: Schema.Literal("mine") })
  const run = once(Effect.as(Effect.asVoid(Clockwork), new Date()))
  expectTypeOf(run).toEqualTypeOf<
    Effect.Effect<Date, "mine" | Once.OnceError, "Clockwork" | KvStore.KvStore>
  >()
  // @ts-expect-error the effect does not give what is kept
  once(Effect.succeed("2026-11-26"))
})

test("an effect whose failures have no schema does not fail", () => {
  const once = Once.run({ key: "k", success: Schema.Int })
  expectTypeOf<Effect.Error<ReturnType<typeof once<never>>>>().toEqualTypeOf<Once.OnceError>()
  // @ts-expect-error nobody else could be told of this failure
  once(Effect.fail("mine"))
})

test("the effect is told its token, and what the schemas need is asked for", () => {
  const run = Once.run({ key: "k", success: decoding })((run) => {
    expectTypeOf(run).toEqualTypeOf<Once.Run>()
    expectTypeOf(run.token).toEqualTypeOf<bigint>()
    return Effect.succeed(new Date())
  })
  expectTypeOf<Effect.Services<typeof run>>().toEqualTypeOf<"Decoding" | "Encoding" | KvStore.KvStore>()
})
