import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { idle, inLine, inTime, type Law, renewals, seen, standInLine } from "./Stage.ts"

const lineIs = (length: number) => (now: { readonly waiters: ReadonlyArray<unknown> }) => now.waiters.length === length

const steps = (count: number) => Effect.forEach(Array.from({ length: count }), () => Effect.yieldNow, { discard: true })

export const waitingLaws = (law: Law): void => {
  law("an interrupted waiter leaves the line (AC-06.8)", ({ resource, store }) =>
    Effect.gen(function*() {
      const holder = yield* store.claim({ resource })
      const waiter = yield* standInLine(store, { resource })
      yield* Fiber.interrupt(waiter)
      yield* seen(store, resource, "the line is empty", lineIs(0))
      yield* holder.release
      const next = yield* Effect.flatMap(store.tryClaim({ resource }), Effect.fromOption)
      yield* next.release
    }))

  law(
    "a waiter that leaves the middle of the line does not change the order of the others",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const holder = yield* store.claim({ resource })
        const first = yield* standInLine(store, { resource, owner: "first" })
        const middle = yield* standInLine(store, { resource, owner: "middle" })
        const last = yield* standInLine(store, { resource, owner: "last" })
        yield* Fiber.interrupt(middle)
        yield* seen(store, resource, "two are left", (now) => now.waiters.map((it) => it.owner).join() === "first,last")
        yield* holder.release
        const one = yield* inTime("the first is served", Fiber.join(first))
        assert.deepStrictEqual((yield* store.inspect(resource)).waiters.map((it) => it.owner), ["last"])
        yield* one.release
        yield* Effect.flatMap(inTime("the last is served", Fiber.join(last)), (lease) => lease.release)
      })
  )

  law("a grant made at the moment of an interruption goes back", ({ resource, store }) =>
    Effect.gen(function*() {
      for (let round = 0; round < 100; round++) {
        const holder = yield* store.claim({ resource, ttl: "1 hour" })
        const waiter = yield* inLine(store, { resource, ttl: "1 hour" }, Effect.scoped)
        const interrupt = Effect.andThen(steps(round % 10), Fiber.interrupt(waiter))
        yield* Effect.all([holder.release, interrupt], { concurrency: "unbounded" })
      }
      yield* idle(store, resource)
    }))

  law(
    "a claim that is interrupted at any moment leaves nothing behind",
    ({ resource, store }) =>
      Effect.gen(function*() {
        for (let round = 0; round < 100; round++) {
          const claim = yield* Effect.forkScoped(Effect.scoped(store.claim({ resource, ttl: "1 hour" })))
          yield* steps(round % 10)
          yield* Fiber.interrupt(claim)
        }
        yield* idle(store, resource)
      })
  )

  law(
    "a wait that times out leaves the line and says how long it waited (AC-42.4)",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const holder = yield* store.claim({ resource })
        const error = yield* Effect.flip(store.claim({ resource, waitFor: 50 }))
        assert.deepInclude(error, { _tag: "LeaseTimeout", resource })
        assert.isTrue(error._tag === "LeaseTimeout" && error.waitedMillis > 40)
        yield* seen(store, resource, "the line is empty", lineIs(0))
        assert.isTrue(holder.isAlive())
        yield* holder.release
        yield* idle(store, resource)
      })
  )

  law("waitFor 0 takes a free lease and never stands in line", ({ resource, store }) =>
    Effect.gen(function*() {
      const holder = yield* store.claim({ resource, waitFor: 0 })
      const error = yield* Effect.flip(store.claim({ resource, waitFor: 0 }))
      assert.strictEqual(error._tag, "LeaseTimeout")
      assert.deepStrictEqual((yield* store.inspect(resource)).waiters, [])
      yield* holder.release
      yield* idle(store, resource)
    }))

  law("a waiter keeps its place for longer than its ttl", ({ resource, store }) =>
    Effect.gen(function*() {
      const holder = yield* store.claim({ resource, ttl: 600 })
      const early = yield* standInLine(store, { resource, ttl: 300, waitFor: Infinity })
      yield* renewals(4)
      const late = yield* standInLine(store, { resource, ttl: 300 })
      yield* holder.release
      const lease = yield* inTime("the early one is served", Fiber.join(early))
      assert.isUndefined(late.pollUnsafe())
      yield* lease.release
      yield* Effect.flatMap(inTime("the late one is served", Fiber.join(late)), (next) => next.release)
    }))
}
