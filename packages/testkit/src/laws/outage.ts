import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { LeaseStore } from "heddle/coordination"
import type { Abilities } from "../LeaseStoreLaws.ts"
import { counts, inTime, type Law, renewals, standInLine } from "./Stage.ts"
import { violations } from "./visits.ts"

export const outageLaws = (law: Law, { cut, dropPushes, restart, tied, wipe }: Abilities): void => {
  if (cut !== undefined) {
    law(
      "a lease whose server cannot be reached is lost by its deadline (AC-06.4, AC-42.2)",
      ({ resource, store }) =>
        Effect.gen(function*() {
          const lease = yield* store.claim({ resource, ttl: 500 })
          const started = yield* Deferred.make<void>()
          const section = Effect.andThen(Deferred.succeed(started, undefined), Effect.never)
          const fiber = yield* Effect.forkScoped(lease.run(section))
          yield* Deferred.await(started)
          yield* Effect.scoped(Effect.andThen(
            cut,
            Effect.gen(function*() {
              const error = yield* Effect.flip(inTime("the section ends", Fiber.join(fiber)))
              assert.deepInclude(error, { _tag: "LeaseLost", resource, token: lease.token, reason: "expired" })
              const claim = yield* Effect.flip(
                inTime("the claim fails", store.claim({ resource, waitFor: "2 seconds" }))
              )
              assert.include(["StoreUnavailable", "LeaseTimeout"], claim._tag)
            })
          ))
          const next = yield* inTime(
            "the resource is granted again",
            Effect.retry(store.claim({ resource }), { while: (error) => error._tag === "StoreUnavailable" })
          )
          assert.isAbove(Number(next.token - lease.token), 0)
          yield* next.release
        })
    )
  }

  if (cut !== undefined && tied === undefined) {
    law(
      "a renewal that fails for a moment is tried again and the lease lives on (AC-42.6)",
      ({ resource, store }) =>
        Effect.gen(function*() {
          const lease = yield* store.claim({ resource, ttl: "10 seconds" })
          yield* Effect.scoped(Effect.andThen(cut, counts("heddle_lease_renewals_total", "failed", 1)))
          yield* renewals(1)
          assert.isTrue(lease.isAlive())
          yield* lease.release
        })
    )
  }

  if (dropPushes !== undefined) {
    law(
      "a push that is lost delays a hand-over, and never stops it",
      ({ another, resource, store }) =>
        Effect.gen(function*() {
          const holder = yield* Effect.flatMap(another, (other) => other.claim({ resource }))
          const waiter = yield* standInLine(store, { resource })
          yield* dropPushes
          yield* holder.release
          yield* Effect.flatMap(inTime("the waiter is served", Fiber.join(waiter)), (lease) => lease.release)
        })
    )
  }

  if (wipe !== undefined) {
    law("tokens increase although the server forgot everything", ({ resource, store }) =>
      Effect.gen(function*() {
        let last = 0n
        for (let round = 0; round < 5; round++) {
          const lease = yield* inTime("the resource is granted", store.claim({ resource }))
          assert.isAbove(Number(lease.token - last), 0)
          last = lease.token
          yield* wipe
          yield* lease.release
        }
      }))

    law("waiters that the server forgot are served all the same", ({ resource, store }) =>
      Effect.gen(function*() {
        const holder = yield* store.claim({ resource })
        const waiters = []
        for (let turn = 0; turn < 3; turn++) waiters.push(yield* standInLine(store, { resource }))
        yield* wipe
        yield* holder.release
        yield* inTime(
          "all are served",
          Effect.forEach(waiters, (waiter) => Effect.flatMap(Fiber.join(waiter), (lease) => lease.release), {
            concurrency: "unbounded"
          })
        )
      }))
  }

  if (restart !== undefined) {
    law(
      "over a restart of the server each claimant is served once, in order of token, never two at a time",
      (stage) =>
        Effect.gen(function*() {
          const { another, resource, store } = stage
          const stores = [store, yield* another]
          const visits: Array<{ entered: bigint; left: bigint; token: bigint }> = []
          const some = yield* Deferred.make<void>()
          const done: Array<number> = []
          const claimant = (index: number) =>
            LeaseStore.withLease({ resource, ttl: "2 seconds" }, ({ token }) =>
              Effect.gen(function*() {
                const visit = { entered: process.hrtime.bigint(), left: 0n, token }
                visits.push(visit)
                const leave = Effect.sync(() => visit.left = process.hrtime.bigint())
                yield* Effect.ensuring(Effect.sleep(5), leave)
                if (visits.length === 10) yield* Deferred.succeed(some, undefined)
              })).pipe(
                Effect.provideService(LeaseStore.LeaseStore, stores[index % 2] ?? store),
                Effect.retry({ while: (error) => error._tag === "StoreUnavailable" || error._tag === "LeaseLost" }),
                Effect.tap(() => Effect.sync(() => done.push(index)))
              )
          const claimants = yield* Effect.forkScoped(
            Effect.forEach(Array.from({ length: 40 }), (_, index) => claimant(index), { concurrency: "unbounded" })
          )
          yield* inTime("ten are served", Deferred.await(some))
          yield* restart
          yield* inTime("all are served", Fiber.join(claimants))
          assert.deepStrictEqual(done.sort((a, b) => a - b), Array.from({ length: 40 }, (_, index) => index))
          assert.deepStrictEqual(violations(visits), [])
        })
    )
  }
}
