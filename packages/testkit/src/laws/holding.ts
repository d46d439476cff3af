import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { idle, type Law, renewals } from "./Stage.ts"

export const holdingLaws = (law: Law): void => {
  law("a held lease outlives its ttl (AC-42.1)", ({ resource, store }) =>
    Effect.gen(function*() {
      const lease = yield* store.claim({ resource, ttl: 600 })
      const done = yield* lease.run(Effect.as(renewals(4), "done"))
      assert.strictEqual(done, "done")
      assert.isTrue(lease.isAlive())
      assert.isTrue(Option.isNone(yield* store.tryClaim({ resource })))
      const { holders } = yield* store.inspect(resource)
      assert.deepStrictEqual(holders.map((it) => it.token), [lease.token])
      yield* lease.release
    }))

  law("run ends as its effect ends", ({ resource, store }) =>
    Effect.gen(function*() {
      const lease = yield* store.claim({ resource })
      const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.exit(lease.run(Effect.andThen(Effect.yieldNow, effect)))
      assert.deepStrictEqual(yield* run(Effect.succeed(1)), Exit.succeed(1))
      assert.deepStrictEqual(yield* run(Effect.fail("no")), Exit.fail("no"))
      assert.deepStrictEqual(yield* run(Effect.die("bug")), Exit.die("bug"))
      assert.isTrue(Exit.hasInterrupts(yield* run(Effect.interrupt)))
      assert.isTrue(lease.isAlive())
      yield* lease.release
    }))

  law(
    "an interrupted run waits for its effect's finalizers and keeps the lease",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const lease = yield* store.claim({ resource })
        const started = yield* Deferred.make<void>()
        let finalized = false
        const cleanup = Effect.andThen(Effect.sleep(5), Effect.sync(() => finalized = true))
        const section = Effect.andThen(Deferred.succeed(started, undefined), Effect.never)
        const fiber = yield* Effect.forkScoped(lease.run(Effect.onInterrupt(section, () => cleanup)))
        yield* Deferred.await(started)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual([finalized, lease.isAlive()], [true, true])
        yield* lease.release
      })
  )

  law("guard and run do nothing once the lease was released", ({ resource, store }) =>
    Effect.gen(function*() {
      const lease = yield* store.claim({ resource })
      let steps = 0
      const step = Effect.sync(() => ++steps)
      assert.strictEqual(yield* lease.guard(step), 1)
      yield* lease.release
      const refused = [yield* Effect.flip(lease.guard(step)), yield* Effect.flip(lease.run(step))]
      for (const error of refused) {
        assert.deepInclude(error, { _tag: "LeaseLost", resource, token: lease.token, reason: "released" })
      }
      assert.strictEqual(steps, 1)
    }))

  law("releasing ends what runs under the lease", ({ resource, store }) =>
    Effect.gen(function*() {
      const lease = yield* store.claim({ resource, ttl: "1 hour" })
      let steps = 0
      const section = Effect.andThen(lease.release, Effect.sync(() => ++steps))
      const error = yield* Effect.flip(lease.run(section))
      assert.deepInclude(error, { _tag: "LeaseLost", reason: "released" })
      assert.strictEqual(steps, 0)
      yield* idle(store, resource)
    }))
}
