import { Effect, type Layer, type Option } from "effect"
import { type Lease, type LeaseAbility, LeaseStore, ReadWriteLock } from "heddle/coordination"
import { expectTypeOf, test } from "vitest"

declare const section: Effect.Effect<number, "mine", "service">
declare const exclusive: Layer.Layer<LeaseStore.LeaseStore | LeaseAbility.SurvivesFailover>

test("a read-write lock needs a store that can be shared", () => {
  expectTypeOf<ReadWriteLock.Needs>().toEqualTypeOf<LeaseStore.LeaseStore | LeaseAbility.Shared>()
  const program = ReadWriteLock.withRead("k")(section)
  const onMemory = program.pipe(Effect.provide(LeaseStore.layerMemory))
  expectTypeOf<Effect.Services<typeof onMemory>>().toEqualTypeOf<"service">()
  const onQuorum = program.pipe(Effect.provide(exclusive))
  expectTypeOf<Effect.Services<typeof onQuorum>>().toEqualTypeOf<"service" | LeaseAbility.Shared>()
})

test("sections keep their own types", () => {
  expectTypeOf(ReadWriteLock.withWrite("k")(section)).toEqualTypeOf<
    Effect.Effect<number, "mine" | Effect.Error<ReturnType<typeof locked>>, "service" | ReadWriteLock.Needs>
  >()
  expectTypeOf(ReadWriteLock.tryRead("k")(section)).toExtend<Effect.Effect<Option.Option<number>, unknown, unknown>>()
  expectTypeOf<Extract<Effect.Error<ReturnType<typeof tried>>, Lease.LeaseTimeout>>().toBeNever()
  expectTypeOf<Extract<Effect.Error<ReturnType<typeof locked>>, Lease.LimitMismatch>>().toBeNever()
})

const locked = () => ReadWriteLock.withWrite("k")(Effect.void)
const tried = () => ReadWriteLock.tryWrite("k")(Effect.void)

test("a writer can become a reader, and then and as a reader there is nothing that makes a writer", () => {
  ReadWriteLock.withWrite("k")((lease) => {
    expectTypeOf(lease).toEqualTypeOf<ReadWriteLock.WriteLease>()
    expectTypeOf<Effect.Success<typeof lease.downgrade>>().toEqualTypeOf<ReadWriteLock.ReadLease>()
    return Effect.void
  })
  ReadWriteLock.withRead("k")((lease) => {
    expectTypeOf(lease).toEqualTypeOf<ReadWriteLock.ReadLease>()
    expectTypeOf<keyof typeof lease>().toEqualTypeOf<"id" | "token" | "isAlive" | "guard">()
    return Effect.void
  })
  expectTypeOf<ReadWriteLock.ReadLease>().not.toExtend<ReadWriteLock.WriteLease>()
  // @ts-expect-error A reader's section is given no lease of a writer.
  ReadWriteLock.withRead("k")((lease: ReadWriteLock.WriteLease) => lease.downgrade)
})
