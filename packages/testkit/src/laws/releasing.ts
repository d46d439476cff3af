import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { LeaseStore } from "heddle/coordination"
import { blockThread, idle, inTime, type Law, standInLine } from "./Stage.ts"

export const releasingLaws = (law: Law): void => {
  law("releasing twice never disturbs the next holder (AC-42.8)", ({ resource, store }) =>
    Effect.gen(function*() {
      const first = yield* store.claim({ resource })
      yield* first.release
      const second = yield* store.claim({ resource, owner: "second" })
      const waiter = yield* standInLine(store, { resource, owner: "waiter" })
      yield* first.release
      first.releaseUnsafe()
      const { holders, waiters } = yield* store.inspect(resource)
      assert.deepStrictEqual([...holders, ...waiters].map((it) => it.owner), ["second", "waiter"])
      yield* second.release
      yield* Effect.flatMap(inTime("the waiter is served", Fiber.join(waiter)), (lease) => lease.release)
    }))

  law(
    "a lease that ended at its ttl is the next claim's, and its late release changes nothing",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const late = yield* store.claim({ resource, ttl: 300 })
        blockThread(450)
        assert.isFalse(late.isAlive())
        const next = yield* store.claim({ resource, owner: "next" })
        yield* late.release
        late.releaseUnsafe()
        const { holders } = yield* store.inspect(resource)
        assert.deepStrictEqual(holders.map((it) => [it.owner, it.token]), [["next", next.token]])
        assert.isTrue(Option.isNone(yield* store.tryClaim({ resource })))
        yield* next.release
      })
  )

  law(
    "releaseUnsafe frees the permits without being waited for (AC-42.3)",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const lease = yield* store.claim({ resource, ttl: "1 hour" })
        lease.releaseUnsafe()
        assert.isFalse(lease.isAlive())
        yield* Effect.flatMap(inTime("the permits are free", store.claim({ resource })), (next) => next.release)
      })
  )

  law(
    "a lease goes back when the scope of its claim closes (AC-42.7)",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const lease = yield* Effect.scoped(store.claim({ resource, ttl: "1 hour" }))
        assert.isFalse(lease.isAlive())
        const tried = yield* inTime("the permits are free", Effect.scoped(store.claim({ resource, ttl: "1 hour" })))
        assert.isFalse(tried.isAlive())
        yield* idle(store, resource)
      })
  )

  law("a release that is interrupted goes through all the same", ({ resource, store }) =>
    Effect.gen(function*() {
      for (let round = 0; round < 20; round++) {
        const lease = yield* store.claim({ resource, ttl: "1 hour" })
        const release = yield* Effect.forkScoped(lease.release)
        for (let step = 0; step < round % 5; step++) yield* Effect.yieldNow
        yield* Fiber.interrupt(release)
        if (lease.isAlive()) yield* lease.release
      }
      yield* idle(store, resource)
    }))

  law(
    "withLease gives back on success, failure, defect and interruption (AC-42.3)",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const section = yield* Deferred.make<void>()
        const use = <A, E>(effect: Effect.Effect<A, E>) =>
          LeaseStore.withLease({ resource, ttl: "1 hour" }, () => effect).pipe(
            Effect.provideService(LeaseStore.LeaseStore, store),
            (held) => inTime("the permits are free", held),
            Effect.exit
          )
        assert.deepStrictEqual(yield* use(Effect.succeed(1)), Exit.succeed(1))
        assert.deepStrictEqual(yield* use(Effect.fail("no")), Exit.fail("no"))
        assert.deepStrictEqual(yield* use(Effect.die("bug")), Exit.die("bug"))
        const fiber = yield* Effect.forkScoped(use(Effect.andThen(Deferred.succeed(section, undefined), Effect.never)))
        yield* Deferred.await(section)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* use(Effect.succeed(2)), Exit.succeed(2))
      })
  )

  law(
    "withLease holds until the finalizers of an interrupted section have ended",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const started = yield* Deferred.make<void>()
        const owners: Array<string> = []
        const look = Effect.map(Effect.orDie(store.inspect(resource)), ({ holders }) => {
          owners.push(...holders.map((it) => it.owner))
        })
        const section = Effect.andThen(Deferred.succeed(started, undefined), Effect.never)
        const fiber = yield* LeaseStore.withLease(
          { resource, owner: "me" },
          () => Effect.onInterrupt(section, () => look)
        )
          .pipe(Effect.provideService(LeaseStore.LeaseStore, store), Effect.forkScoped)
        yield* Deferred.await(started)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(owners, ["me"])
      })
  )
}
