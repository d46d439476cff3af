import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { Abilities } from "../LeaseStoreLaws.ts"
import { having, idle, inTime, type Law, seen, standInLine } from "./Stage.ts"

export const sharingLaws = (law: Law, { described, fair, shared }: Abilities): void => {
  const describedLaw = having(law, described)
  const fairLaw = having(law, fair)
  if (shared !== true) return

  law("two stores exclude each other", ({ another, resource, store }) =>
    Effect.gen(function*() {
      const other = yield* another
      const mine = yield* store.claim({ resource, owner: "mine" })
      assert.isTrue(Option.isNone(yield* other.tryClaim({ resource })))
      const { holders } = yield* other.inspect(resource)
      assert.strictEqual(holders.length, 1)
      if (described === true) assert.strictEqual(holders[0]?.owner, "mine")
      yield* mine.release
      const theirs = yield* Effect.flatMap(other.tryClaim({ resource }), Effect.fromOption)
      assert.isAbove(Number(theirs.token - mine.token), 0)
      yield* theirs.release
    }))

  fairLaw("two stores hand over in order of arrival", ({ another, resource, store }) =>
    Effect.gen(function*() {
      const other = yield* another
      const holder = yield* store.claim({ resource })
      const served: Array<number> = []
      const tokens = [holder.token]
      const waiters = []
      for (let turn = 0; turn < 8; turn++) {
        const waiter = yield* standInLine(turn % 2 === 0 ? other : store, { resource })
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

  describedLaw(
    "a change made by one store is shown by the other",
    ({ another, resource, store }) =>
      Effect.gen(function*() {
        const other = yield* another
        const lease = yield* store.claim({ resource, value: "old" })
        const shown = yield* Deferred.make<void>()
        const watcher = yield* Effect.forkScoped(seen(other, resource, "the update is shown", ({ holders }) => {
          Deferred.doneUnsafe(shown, Effect.void)
          return holders[0]?.value === "new"
        }))
        yield* inTime("the present is shown", Deferred.await(shown))
        yield* lease.update("new")
        yield* Fiber.join(watcher)
        yield* lease.release
        yield* idle(other, resource)
      })
  )
}
