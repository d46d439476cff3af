import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { LeaseStore } from "heddle/coordination"
import type { Abilities } from "../LeaseStoreLaws.ts"
import { eventually, having, idle, inTime, type Law, renewals, standInLine } from "./Stage.ts"

export const loadLaws = (law: Law, { harmed, remnants, weighted }: Abilities): void => {
  if (harmed !== undefined) return
  const weightedLaw = having(law, weighted)
  weightedLaw("permits in use never pass the limit", ({ resource, store }) =>
    Effect.gen(function*() {
      const limit = 7
      let inUse = 0
      let most = 0
      const task = (permits: number) =>
        LeaseStore.withLease({ resource, permits, limit, ttl: "1 minute" }, () =>
          Effect.gen(function*() {
            inUse += permits
            most = Math.max(most, inUse)
            for (let step = 0; step < permits; step++) yield* Effect.yieldNow
            inUse -= permits
          }))
      const weights = Array.from({ length: 200 }, () => 1 + Math.floor(Math.random() * limit))
      yield* Effect.forEach(weights, task, { concurrency: "unbounded" }).pipe(
        Effect.provideService(LeaseStore.LeaseStore, store)
      )
      assert.isAtMost(most, limit)
      assert.isAbove(most, 0)
      assert.strictEqual(inUse, 0)
    }))

  law(
    "1600 of 1600 increments under one key arrive while other keys are busy, never two inside (AC-41.1)",
    (stage) =>
      Effect.gen(function*() {
        const { resource, store } = stage
        let count = 0
        let inside = 0
        let most = 0
        const increment = LeaseStore.withLease({ resource, ttl: "1 minute", waitFor: "90 seconds" }, () =>
          Effect.gen(function*() {
            most = Math.max(most, ++inside)
            const before = count
            yield* Effect.yieldNow
            count = before + 1
            inside--
          }))
        const busy = Effect.forEach(
          Array.from({ length: 4 }),
          (_, key) =>
            Effect.forever(LeaseStore.withLease({ resource: `${resource}-${key}` }, () =>
              Effect.yieldNow)),
          {
            concurrency: "unbounded"
          }
        )
        yield* Effect.forEach(Array.from({ length: 1600 }), () => increment, { concurrency: "unbounded" }).pipe(
          Effect.raceFirst(Effect.andThen(busy, Effect.die(new Error("the other keys stopped")))),
          Effect.provideService(LeaseStore.LeaseStore, store)
        )
        assert.deepStrictEqual({ count, most }, { count: 1600, most: 1 })
      })
  )

  law("different keys do not block each other (AC-41.2)", ({ resource, store }) =>
    Effect.gen(function*() {
      const holder = yield* store.claim({ resource, ttl: "1 minute" })
      const waiter = yield* standInLine(store, { resource })
      const keys = Array.from({ length: 50 }, (_, key) => `${resource}-${key}`)
      const leases = yield* inTime(
        "all other keys are granted",
        Effect.forEach(keys, (key) => store.claim({ resource: key }), { concurrency: "unbounded" })
      )
      assert.isUndefined(waiter.pollUnsafe())
      yield* Effect.forEach(leases, (lease) => lease.release, { concurrency: "unbounded" })
      yield* Fiber.interrupt(waiter)
      yield* holder.release
    }))

  if (remnants !== undefined) {
    const empty = eventually("nothing is left", Effect.map(remnants, (left) => left === 0))

    law(
      "when all is released, timed out or interrupted, nothing remains (AC-41.3)",
      ({ resource, store }) =>
        Effect.gen(function*() {
          const keys = Array.from({ length: 20 }, (_, key) => `${resource}-${key}`)
          const holders = yield* Effect.forEach(keys, (key) => store.claim({ resource: key }))
          const waiters = yield* Effect.forEach(keys, (key) => standInLine(store, { resource: key }))
          yield* Effect.forEach(keys, (key) => Effect.flip(store.claim({ resource: key, waitFor: 20 })), {
            concurrency: "unbounded"
          })
          assert.isAbove(yield* remnants, 0)
          yield* Fiber.interruptAll(waiters.slice(10))
          yield* Effect.forEach(holders, (lease) => lease.release, { concurrency: "unbounded" })
          for (const waiter of waiters.slice(0, 10)) {
            yield* Effect.flatMap(inTime("a waiter is served", Fiber.join(waiter)), (lease) => lease.release)
          }
          for (const key of keys) yield* idle(store, key)
          yield* empty
        })
    )

    law("10,000 releases that race renewals bring no lease back", ({ resource, store }) =>
      Effect.gen(function*() {
        for (let round = 0; round < 50; round++) {
          const leases = yield* Effect.forEach(Array.from({ length: 200 }), (_, key) =>
            Effect.exit(store.claim({ resource: `${resource}-${round}-${key}`, ttl: 300 })), {
            concurrency: "unbounded"
          })
          const renewing = round % 10 === 0 ? renewals(1) : Effect.void
          yield* renewing
          yield* Effect.forEach(leases, (lease) =>
            Exit.isSuccess(lease) ? lease.value.release : Effect.void, {
            concurrency: "unbounded"
          })
        }
        yield* empty
      }))
  }
}
