import type { Effect } from "effect"
import { Barrier, CountDownLatch, type KvEntry, type KvStore, type Lease } from "heddle/coordination"
import { expectTypeOf, test } from "vitest"

test("a barrier says that it can be broken, and never that a lease was lost", () => {
  const barrier = Barrier.make({ key: "k", parties: 2 })
  expectTypeOf(barrier.await).toEqualTypeOf<Effect.Effect<void, Barrier.BarrierError, KvStore.KvStore>>()
  expectTypeOf<Extract<Barrier.BarrierError, Lease.LeaseLost | KvEntry.Conflict>>().toBeNever()
})

test("only to await a latch can take too long", () => {
  const latch = CountDownLatch.make({ key: "k", count: 2 })
  expectTypeOf<Extract<Effect.Error<ReturnType<typeof latch.countDown>>, Lease.LeaseTimeout>>().toBeNever()
  expectTypeOf<Extract<Effect.Error<typeof latch.await>, Lease.LeaseTimeout>>().toEqualTypeOf<Lease.LeaseTimeout>()
  // @ts-expect-error a party has a name, so that it counts once
  latch.countDown()
})
