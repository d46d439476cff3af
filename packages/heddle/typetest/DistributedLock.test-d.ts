import { Effect, type Option } from "effect"
import { DistributedLock, type Lease, LeaseStore } from "heddle/coordination"
import { expectTypeOf, test } from "vitest"

declare const section: Effect.Effect<number, "mine", "service">

test("a lock adds its own errors and the store to those of the section", () => {
  expectTypeOf(DistributedLock.withLock("k")(section)).toEqualTypeOf<
    Effect.Effect<number, "mine" | DistributedLock.LockError, "service" | LeaseStore.LeaseStore>
  >()
  expectTypeOf(DistributedLock.withLocks(["k"])(section)).toEqualTypeOf<
    Effect.Effect<number, "mine" | DistributedLock.LockError, "service" | LeaseStore.LeaseStore>
  >()
})

test("a lock that does not wait cannot time out, and says whether the section ran", () => {
  expectTypeOf(DistributedLock.tryLock("k")(section)).toEqualTypeOf<
    Effect.Effect<Option.Option<number>, "mine" | DistributedLock.TryLockError, "service" | LeaseStore.LeaseStore>
  >()
  expectTypeOf<Extract<DistributedLock.TryLockError, Lease.LeaseTimeout>>().toBeNever()
})

test("AC-06.3 only a section has the lease in its hands", () => {
  DistributedLock.withLock("k")((lease) => {
    expectTypeOf(lease).toEqualTypeOf<Lease.Lease>()
    expectTypeOf(lease.token).toEqualTypeOf<bigint>()
    return Effect.void
  })
})

test("AC-45.3 the layer is all that a backend's caller sees", () => {
  expectTypeOf(DistributedLock.withLock("k")(section).pipe(Effect.provide(LeaseStore.layerMemory))).toEqualTypeOf<
    Effect.Effect<number, "mine" | DistributedLock.LockError, "service">
  >()
})
