import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { Abilities } from "../LeaseStoreLaws.ts"
import { idle, inTime, type Law, seen, standInLine } from "./Stage.ts"

export const resizingLaws = (law: Law, { resizable }: Abilities): void => {
  if (resizable === undefined) return

  law(
    "a holder that gives part of its permits back keeps the rest, and its token",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const lease = yield* store.claim({ resource, permits: 3, limit: 3, value: "mine" })
        const first = yield* standInLine(store, { resource, limit: 3 })
        const second = yield* standInLine(store, { resource, permits: 2, limit: 3 })
        yield* lease.shrink(1)
        const served = yield* inTime("the first waiter is served", Fiber.join(first))
        assert.deepStrictEqual([lease.permits, lease.isAlive()], [1, true])
        const { holders, limit, waiters } = yield* store.inspect(resource)
        assert.deepStrictEqual(holders.map(({ permits, token, value }) => ({ permits, token, value })), [
          { permits: 1, token: lease.token, value: "mine" },
          { permits: 1, token: served.token, value: "" }
        ])
        assert.deepStrictEqual([limit, waiters.length], [3, 1])
        yield* lease.release
        const last = yield* inTime("the second waiter is served", Fiber.join(second))
        yield* Effect.andThen(last.release, served.release)
        yield* idle(store, resource)
      })
  )

  law("a holder cannot give back what it has not", ({ resource, store }) =>
    Effect.gen(function*() {
      const lease = yield* store.claim({ resource, permits: 2, limit: 3 })
      for (const permits of [0, 3, 1.5, NaN]) {
        assert.deepInclude(yield* Effect.flip(lease.shrink(permits)), { _tag: "InvalidClaim", field: "permits" })
      }
      yield* lease.shrink(1)
      assert.deepInclude(yield* Effect.flip(lease.shrink(2)), { _tag: "InvalidClaim", field: "permits" })
      yield* lease.release
      assert.deepInclude(yield* Effect.flip(lease.shrink(1)), { _tag: "LeaseLost", reason: "released" })
    }))

  law("more permits are granted at once to those who wait", ({ resource, store }) =>
    Effect.gen(function*() {
      const holder = yield* store.claim({ resource, permits: 2, limit: 2 })
      const first = yield* standInLine(store, { resource, limit: 2 })
      const second = yield* standInLine(store, { resource, permits: 2, limit: 2 })
      yield* store.resize(resource, 3)
      const served = yield* inTime("the first waiter is served", Fiber.join(first))
      const now = yield* store.inspect(resource)
      assert.deepStrictEqual([now.limit, now.holders.length, now.waiters.length], [3, 2, 1])
      yield* store.resize(resource, 5)
      const last = yield* inTime("the second waiter is served", Fiber.join(second))
      yield* Effect.forEach([holder, served, last], (lease) => lease.release)
      yield* store.resize(resource, 2)
    }))

  law(
    "fewer permits take nothing away, and the next is let in when there is room",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const first = yield* store.claim({ resource, limit: 2 })
        const second = yield* store.claim({ resource, limit: 2 })
        yield* store.resize(resource, 1)
        const waiter = yield* standInLine(store, { resource, limit: 2 })
        yield* first.release
        assert.isTrue(Option.isNone(yield* store.tryClaim({ resource, limit: 2 })))
        const now = yield* store.inspect(resource)
        assert.deepStrictEqual([now.limit, now.holders.length, now.waiters.length], [1, 1, 1])
        assert.isTrue(second.isAlive())
        yield* second.release
        const served = yield* inTime("the waiter is served", Fiber.join(waiter))
        yield* served.release
        yield* store.resize(resource, 2)
      })
  )

  law(
    "a new size lasts while nobody uses the resource, until it is the named one again",
    ({ resource, store }) =>
      Effect.gen(function*() {
        yield* store.resize(resource, 1)
        assert.strictEqual((yield* store.inspect(resource)).limit, 1)
        const lease = yield* store.claim({ resource, limit: 2 })
        assert.isTrue(Option.isNone(yield* store.tryClaim({ resource, limit: 2 })))
        yield* lease.release
        assert.strictEqual((yield* store.inspect(resource)).limit, 1)
        yield* store.resize(resource, 2)
        yield* seen(store, resource, "the size is forgotten", ({ limit }) => limit === undefined || limit === 2)
        const both = yield* store.claim({ resource, permits: 2, limit: 2 })
        yield* both.release
        yield* idle(store, resource)
      })
  )

  law("a size that means nothing is refused", ({ resource, store }) =>
    Effect.gen(function*() {
      for (const limit of [0, -1, 1.5, NaN, 2 ** 31]) {
        assert.deepInclude(yield* Effect.flip(store.resize(resource, limit)), { _tag: "InvalidClaim", field: "limit" })
      }
      assert.deepInclude(yield* Effect.flip(store.resize("", 1)), { _tag: "InvalidClaim", field: "resource" })
    }))
}
