import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Abilities } from "../LeaseStoreLaws.ts"
import { blockThread, counts, having, inTime, type Law, standInLine } from "./Stage.ts"

const ttl = 600
const longer = 900

export const losingLaws = (law: Law, { described, forget }: Abilities): void => {
  const describedLaw = having(law, described)
  law(
    "after a synchronous block longer than the ttl not one more step runs",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const lease = yield* store.claim({ resource, ttl })
        let steps = 0
        const section = Effect.sync(() => blockThread(longer)).pipe(Effect.andThen(Effect.sync(() => ++steps)))
        const error = yield* Effect.flip(lease.run(section))
        assert.deepInclude(error, { _tag: "LeaseLost", resource, token: lease.token, reason: "expired" })
        assert.strictEqual(steps, 0)
        yield* lease.release
      })
  )

  law("nor does a step of a fiber that the section forked", ({ resource, store }) =>
    Effect.gen(function*() {
      const lease = yield* store.claim({ resource, ttl })
      let steps = 0
      const child = Effect.andThen(Effect.sync(() => blockThread(longer)), Effect.sync(() => ++steps))
      const section = Effect.andThen(Effect.forkChild(child), Effect.never)
      const error = yield* Effect.flip(lease.run(section))
      assert.strictEqual(error._tag, "LeaseLost")
      assert.strictEqual(steps, 0)
      yield* lease.release
    }))

  law("nor does a section whose thread was blocked by somebody else", ({ resource, store }) =>
    Effect.gen(function*() {
      const lease = yield* store.claim({ resource, ttl })
      const started = yield* Deferred.make<void>()
      let blocked = false
      let after = 0
      const loop = Effect.forever(Effect.andThen(Effect.sync(() => blocked && after++), Effect.yieldNow))
      const section = yield* Effect.forkScoped(lease.run(Effect.andThen(Deferred.succeed(started, undefined), loop)))
      yield* Deferred.await(started)
      yield* Effect.sync(() => {
        blockThread(longer)
        blocked = true
      })
      const error = yield* Effect.flip(inTime("the section ends", Fiber.join(section)))
      assert.strictEqual(error._tag, "LeaseLost")
      assert.strictEqual(after, 0)
      yield* lease.release
    }))

  law(
    "guard refuses after the loss, and the finalizers of the section still run",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const lease = yield* store.claim({ resource, ttl })
        const done: Array<string> = []
        const guarded = Effect.exit(lease.guard(Effect.sync(() => done.push("guarded"))))
        const section = Effect.sync(() => blockThread(longer)).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Effect.andThen(guarded, Effect.sync(() => done.push("finalized"))))
        )
        const error = yield* Effect.flip(lease.run(section))
        assert.strictEqual(error._tag, "LeaseLost")
        assert.deepStrictEqual(done, ["finalized"])
        yield* lease.release
      })
  )

  law(
    "a lease that ended at its ttl makes way for who waits, though nobody gave it back",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const lost = yield* store.claim({ resource, ttl })
        const waiter = yield* standInLine(store, { resource })
        yield* Effect.sync(() => blockThread(longer))
        assert.isFalse(lost.isAlive())
        const lease = yield* inTime("the waiter is served", Fiber.join(waiter))
        assert.isAbove(Number(lease.token - lost.token), 0)
        yield* lease.release
      })
  )

  law(
    "changes shows the end of a lease at its ttl, though nobody gave it back",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const lost = yield* store.claim({ resource, ttl })
        const shown = yield* Deferred.make<void>()
        const watcher = yield* store.changes(resource).pipe(
          Stream.tap(() => Deferred.succeed(shown, undefined)),
          Stream.takeUntil(({ holders }) => holders.length === 0),
          Stream.runDrain,
          Effect.forkScoped
        )
        yield* inTime("the holder is shown", Deferred.await(shown))
        yield* Effect.sync(() => blockThread(longer))
        assert.isFalse(lost.isAlive())
        yield* inTime("the end is shown", Fiber.join(watcher))
      })
  )

  law("after a loss the same store can claim again (AC-06.5)", ({ resource, store }) =>
    Effect.gen(function*() {
      const lost = yield* store.claim({ resource, ttl })
      yield* Effect.sync(() => blockThread(longer))
      assert.isFalse(lost.isAlive())
      yield* lost.release
      const lease = yield* inTime("the resource is granted again", store.claim({ resource }))
      assert.isAbove(Number(lease.token - lost.token), 0)
      assert.strictEqual(yield* lease.run(Effect.succeed("again")), "again")
      yield* lease.release
    }))

  if (forget !== undefined) {
    law(
      "a lease that the store forgot is lost: what runs under it is interrupted, its finalizers run (AC-06.4, AC-42.2)",
      (stage) =>
        Effect.gen(function*() {
          const { resource, store } = stage
          const lease = yield* store.claim({ resource, ttl: 600 })
          const started = yield* Deferred.make<void>()
          let finalized = false
          const section = yield* Deferred.succeed(started, undefined).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Effect.sync(() => finalized = true)),
            (section) => lease.run(section),
            Effect.forkScoped
          )
          yield* Deferred.await(started)
          const loss = yield* Effect.forkScoped(counts("heddle_lease_losses_total", "revoked", 1), {
            startImmediately: true
          })
          yield* forget(resource)
          const error = yield* Effect.flip(inTime("the section ends", Fiber.join(section)))
          assert.deepInclude(error, { _tag: "LeaseLost", resource, token: lease.token, reason: "revoked" })
          assert.deepStrictEqual([finalized, lease.isAlive()], [true, false])
          yield* Fiber.join(loss)
          const next = yield* inTime("the resource is granted again", store.claim({ resource }))
          assert.isAbove(Number(next.token - lease.token), 0)
          yield* lease.release
          const { holders } = yield* store.inspect(resource)
          assert.deepStrictEqual(holders.map((it) => it.token), [next.token])
          yield* next.release
        })
    )

    describedLaw(
      "an update of a lease that the store forgot fails and ends it",
      ({ resource, store }) =>
        Effect.gen(function*() {
          const lease = yield* store.claim({ resource, ttl: "1 hour" })
          yield* forget(resource)
          assert.deepInclude(yield* Effect.flip(lease.update("x")), { _tag: "LeaseLost", reason: "revoked" })
          assert.isFalse(lease.isAlive())
        })
    )
  }
}
