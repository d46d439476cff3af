import { Effect, type Layer, type Option } from "effect"
import { DistributedSemaphore, type Lease, type LeaseAbility, LeaseStore } from "heddle/coordination"
import { expectTypeOf, test } from "vitest"

declare const section: Effect.Effect<number, "mine", "service">
declare const exclusive: Layer.Layer<LeaseStore.LeaseStore | LeaseAbility.SurvivesFailover>

const semaphore = DistributedSemaphore.make({ key: "k", permits: 3 })

test("a semaphore needs a store that can weigh claims", () => {
  expectTypeOf<DistributedSemaphore.Needs>().toEqualTypeOf<LeaseStore.LeaseStore | LeaseAbility.Weighted>()
  const program = semaphore.withPermit(section)
  const onMemory = program.pipe(Effect.provide(LeaseStore.layerMemory))
  expectTypeOf<Effect.Services<typeof onMemory>>().toEqualTypeOf<"service">()
  const onQuorum = program.pipe(Effect.provide(exclusive))
  expectTypeOf<Effect.Services<typeof onQuorum>>().toEqualTypeOf<"service" | LeaseAbility.Weighted>()
})

test("permits add their own errors to those of the section", () => {
  expectTypeOf(semaphore.withPermits(2)(section)).toEqualTypeOf<
    Effect.Effect<number, "mine" | Lease.ClaimError | Lease.LeaseLost, "service" | DistributedSemaphore.Needs>
  >()
  expectTypeOf(semaphore.tryWithPermits(2)(section)).toEqualTypeOf<
    Effect.Effect<
      Option.Option<number>,
      "mine" | Lease.TryClaimError | Lease.LeaseLost,
      "service" | DistributedSemaphore.Needs
    >
  >()
  expectTypeOf<Extract<Lease.TryClaimError, Lease.LeaseTimeout>>().toBeNever()
})

test("a section has the lease in its hands, for its token", () => {
  semaphore.withPermit((lease) => {
    expectTypeOf(lease).toEqualTypeOf<Lease.Lease>()
    return Effect.void
  })
})

test("the size is part of what a semaphore is", () => {
  expectTypeOf<{ readonly key: string }>().not.toExtend<DistributedSemaphore.Options>()
  expectTypeOf<{ readonly key: string; readonly permits: number }>().toExtend<DistributedSemaphore.Options>()
})
