import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { KvAbilities } from "../KvStoreLaws.ts"
import { bytes, first, gone, type KvLaw, textAt } from "./kvStage.ts"
import { inTime, renewals } from "./Stage.ts"

export const kvLeaseLaws = (law: KvLaw, { leastTtl = 200 }: KvAbilities): void => {
  law("keys that are bound to a lease go with it, at one revision", ({ prefix, store }) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const lease = yield* Scope.provide(store.lease({ ttl: "1 minute" }), scope)
      yield* store.put(`${prefix}a`, bytes("1"), { lease })
      yield* store.put(`${prefix}b`, bytes("2"), { lease })
      const last = yield* store.put(`${prefix}c`, bytes("3"))
      yield* Scope.close(scope, Exit.void)
      const seen = store.watchPrefix(prefix, { from: last + 1n })
      const changed = yield* inTime("the keys are deleted", Stream.runCollect(Stream.take(seen, 1)))
      assert.deepStrictEqual(
        changed[0]?.changes.map((change) => change._tag === "Delete" ? change.key : "?"),
        [`${prefix}a`, `${prefix}b`]
      )
      assert.deepStrictEqual((yield* store.range(prefix)).entries.map(({ key }) => key), [`${prefix}c`])
      assert.isFalse(lease.isAlive())
    }))

  law("a lease that is held outlives its ttl", ({ prefix, store }) =>
    Effect.gen(function*() {
      const lease = yield* store.lease({ ttl: leastTtl })
      yield* store.put(`${prefix}key`, bytes("1"), { lease })
      yield* renewals(4)
      assert.isTrue(lease.isAlive())
      assert.strictEqual(yield* textAt(store, `${prefix}key`), "1")
      yield* lease.release
      yield* gone(store, `${prefix}key`)
    }))

  law("nothing is bound to a lease that is over", ({ prefix, store }) =>
    Effect.gen(function*() {
      const lease = yield* store.lease()
      yield* lease.release
      const refused = yield* Effect.flip(store.put(`${prefix}key`, bytes("1"), { lease }))
      assert.deepInclude(refused, { _tag: "LeaseLost", reason: "released" })
      assert.isUndefined(yield* textAt(store, `${prefix}key`))
    }))

  law("the last put says how long a key lasts", ({ prefix, store }) =>
    Effect.gen(function*() {
      const lease = yield* store.lease({ ttl: "1 minute" })
      yield* store.put(`${prefix}kept`, bytes("1"), { lease })
      yield* store.put(`${prefix}kept`, bytes("2"))
      yield* store.put(`${prefix}bound`, bytes("1"))
      yield* store.put(`${prefix}bound`, bytes("2"), { lease })
      yield* lease.release
      yield* gone(store, `${prefix}bound`)
      assert.strictEqual(yield* textAt(store, `${prefix}kept`), "2")
    }))

  law(
    "a key with a ttl goes by itself, and its end is seen as a deletion",
    ({ prefix, store }) =>
      Effect.gen(function*() {
        const revision = yield* store.put(`${prefix}key`, bytes("1"), { ttl: leastTtl })
        yield* store.put(`${prefix}other`, bytes("1"), { ttl: "1 minute" })
        const seen = yield* first(prefix, 3, store.watchPrefix(prefix, { from: revision }))
        assert.deepStrictEqual(seen, ["key=1", "other=1", "-key"])
        assert.isUndefined(yield* textAt(store, `${prefix}key`))
      })
  )

  law("what runs under a lease is interrupted when the lease is released", ({ store }) =>
    Effect.gen(function*() {
      const lease = yield* store.lease()
      assert.strictEqual(yield* lease.run(Effect.succeed(1)), 1)
      yield* lease.release
      assert.deepInclude(yield* Effect.flip(lease.run(Effect.never)), { _tag: "LeaseLost", reason: "released" })
      assert.deepInclude(yield* Effect.flip(lease.guard(Effect.void)), { _tag: "LeaseLost", reason: "released" })
    }))
}
