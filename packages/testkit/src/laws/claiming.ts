import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { Abilities } from "../LeaseStoreLaws.ts"
import { having, idle, inTime, type Law, seen, standInLine } from "./Stage.ts"

export const claimingLaws = (law: Law, { weighted }: Abilities): void => {
  const weightedLaw = having(law, weighted)
  law("a free resource is granted at once", ({ resource, store }) =>
    Effect.gen(function*() {
      const lease = yield* store.claim({ resource, waitFor: 0, owner: "me" })
      assert.deepStrictEqual(
        { resource: lease.resource, owner: lease.owner, permits: lease.permits, alive: lease.isAlive() },
        { resource, owner: "me", permits: 1, alive: true }
      )
      yield* lease.release
    }))

  law(
    "a resource that is held is refused to tryClaim, a free one is granted",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const first = yield* Effect.flatMap(store.tryClaim({ resource }), Effect.fromOption)
        assert.isTrue(Option.isNone(yield* store.tryClaim({ resource })))
        yield* first.release
        const second = yield* Effect.flatMap(store.tryClaim({ resource }), Effect.fromOption)
        yield* second.release
      })
  )

  law(
    "each grant of a resource has a token above all earlier ones (AC-06.7, AC-42.5)",
    ({ resource, store }) =>
      Effect.gen(function*() {
        let last = 0n
        for (let round = 0; round < 50; round++) {
          const lease = round % 2 === 0
            ? yield* store.claim({ resource })
            : yield* Effect.flatMap(store.tryClaim({ resource }), Effect.fromOption)
          assert.isAbove(Number(lease.token - last), 0)
          last = lease.token
          yield* lease.release
        }
      })
  )

  law(
    "a block of tokens is passed on one by one, and the next grant is above the block",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const first = yield* store.claim({ resource, tokens: 3 })
        const second = first.pass()
        const third = second?.pass()
        assert.deepStrictEqual([second?.token, third?.token], [first.token + 1n, first.token + 2n])
        assert.isUndefined(third?.pass())
        yield* first.release
        const next = yield* store.claim({ resource })
        assert.isAbove(Number(next.token - first.token), 2)
        yield* next.release
      })
  )

  law("waiters are served in order of arrival (AC-06.9, AC-41.4)", ({ resource, store }) =>
    Effect.gen(function*() {
      const holder = yield* store.claim({ resource })
      const served: Array<number> = []
      const tokens = [holder.token]
      const waiters = []
      for (let turn = 0; turn < 8; turn++) {
        const waiter = yield* standInLine(store, { resource })
        waiters.push(
          yield* Effect.forkScoped(Effect.flatMap(Fiber.join(waiter), (lease) => {
            served.push(turn)
            tokens.push(lease.token)
            return lease.release
          }))
        )
      }
      yield* holder.release
      yield* inTime("all are served", Fiber.joinAll(waiters))
      assert.deepStrictEqual(served, [0, 1, 2, 3, 4, 5, 6, 7])
      assert.deepStrictEqual(tokens, [...tokens].sort((a, b) => Number(a - b)))
    }))

  weightedLaw(
    "a small claim does not slip past a large one, nor does tryClaim",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const holder = yield* store.claim({ resource, permits: 1, limit: 3 })
        const large = yield* standInLine(store, { resource, permits: 3, limit: 3 })
        const small = yield* standInLine(store, { resource, permits: 1, limit: 3 })
        assert.isTrue(Option.isNone(yield* store.tryClaim({ resource, permits: 1, limit: 3 })))
        yield* holder.release
        const lease = yield* inTime("the large claim is served", Fiber.join(large))
        const { holders, waiters } = yield* store.inspect(resource)
        assert.deepStrictEqual([holders.map((it) => it.permits), waiters.map((it) => it.permits)], [[3], [1]])
        yield* lease.release
        const last = yield* inTime("the small claim is served", Fiber.join(small))
        yield* last.release
      })
  )

  if (weighted === undefined) {
    law("a claim for part of the permits is refused, and says so", ({ resource, store }) =>
      Effect.gen(function*() {
        for (const request of [{ permits: 2, limit: 3 }, { permits: 1, limit: 2 }]) {
          assert.deepInclude(yield* Effect.flip(store.claim({ resource, ...request })), { _tag: "InvalidClaim" })
          assert.deepInclude(yield* Effect.flip(store.tryClaim({ resource, ...request })), { _tag: "InvalidClaim" })
        }
        const lease = yield* store.claim({ resource })
        yield* lease.release
      }))
  }

  weightedLaw("a large claim that gives up lets in those behind it", ({ resource, store }) =>
    Effect.gen(function*() {
      const holder = yield* store.claim({ resource, permits: 1, limit: 3, ttl: "1 minute" })
      const large = yield* standInLine(store, { resource, permits: 3, limit: 3 })
      const small = yield* standInLine(store, { resource, permits: 2, limit: 3 })
      yield* Fiber.interrupt(large)
      const lease = yield* inTime("the small claim is served", Fiber.join(small))
      assert.isTrue(holder.isAlive())
      yield* lease.release
      yield* holder.release
    }))

  weightedLaw(
    "all claims at the head of the line that fit are served together",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const holder = yield* store.claim({ resource, permits: 3, limit: 3 })
        const waiters = []
        for (const permits of [1, 2, 1]) waiters.push(yield* standInLine(store, { resource, permits, limit: 3 }))
        yield* holder.release
        yield* seen(store, resource, "the first two hold and the third waits", (now) =>
          now.holders.map((it) =>
              it.permits
            ).join() === "1,2" && now.waiters.length === 1)
        for (const waiter of waiters) {
          const lease = yield* inTime("a waiter is served", Fiber.join(waiter))
          yield* lease.release
        }
        yield* idle(store, resource)
      })
  )

  weightedLaw(
    "callers that disagree on the limit are told, and only while it matters",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const holder = yield* store.claim({ resource, limit: 2 })
        const claimed = yield* Effect.flip(store.claim({ resource, limit: 3 }))
        const tried = yield* Effect.flip(store.tryClaim({ resource, limit: 1 }))
        assert.deepInclude(claimed, { _tag: "LimitMismatch", resource, limit: 3, actual: 2 })
        assert.deepInclude(tried, { _tag: "LimitMismatch", resource, limit: 1, actual: 2 })
        yield* holder.release
        const next = yield* store.claim({ resource, limit: 3, permits: 3 })
        yield* next.release
      })
  )
}
