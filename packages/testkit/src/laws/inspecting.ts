import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Lease } from "heddle/coordination"
import type { Abilities } from "../LeaseStoreLaws.ts"
import { having, idle, inTime, type Law, standInLine } from "./Stage.ts"

export const inspectingLaws = (law: Law, { described, weighted }: Abilities): void => {
  const describedLaw = having(law, described)
  const weightedLaw = having(law, weighted)
  weightedLaw(
    "inspect shows who holds and who waits, with owner, value, permits, token and age",
    ({ resource, store }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* store.inspect(resource), { limit: undefined, holders: [], waiters: [] })
        const one = yield* store.claim({ resource, owner: "one", value: "1", permits: 2, limit: 4 })
        const two = yield* store.claim({ resource, owner: "two", permits: 1, limit: 4 })
        const three = yield* standInLine(store, { resource, owner: "three", permits: 4, limit: 4 })
        const four = yield* standInLine(store, { resource, owner: "four", permits: 1, limit: 4 })
        const now = yield* store.inspect(resource)
        const later = yield* store.inspect(resource)
        assert.deepStrictEqual(now.holders.map(({ age, ...rest }) => ({ ...rest, aged: age >= 0 })), [
          { id: one.id, owner: "one", value: "1", permits: 2, token: one.token, aged: true },
          { id: two.id, owner: "two", value: "", permits: 1, token: two.token, aged: true }
        ])
        assert.deepStrictEqual(now.waiters.map(({ owner, permits }) => ({ owner, permits })), [
          { owner: "three", permits: 4 },
          { owner: "four", permits: 1 }
        ])
        const ages = (seen: Lease.Inspection) => [...seen.holders, ...seen.waiters].map((it) => it.age)
        ages(now).forEach((age, index) => {
          assert.isAtLeast(ages(later)[index] ?? -1, age)
        })
        yield* Fiber.interruptAll([three, four])
        yield* one.release
        yield* two.release
        yield* idle(store, resource)
      })
  )

  law("inspect is not fooled by resources with a common prefix", ({ resource, store }) =>
    Effect.gen(function*() {
      const names = [resource, `${resource}/`, `${resource}/1`, `${resource}1`, `${resource}:1`, `${resource}\u0000`]
      const leases = []
      for (const name of names.slice(1)) leases.push(yield* store.claim({ resource: name, owner: name, waitFor: 0 }))
      assert.deepStrictEqual(yield* store.inspect(resource), { limit: undefined, holders: [], waiters: [] })
      leases.push(yield* store.claim({ resource, owner: resource, waitFor: 0 }))
      for (const name of names) {
        assert.deepStrictEqual((yield* store.inspect(name)).holders.map((it) => it.owner), [name])
      }
      for (const lease of leases) yield* lease.release
    }))

  law(
    "any string names a resource, and different strings name different ones",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const names = [...new Set(strange.map((text) => text.length > 900 ? text : resource + text)), "__proto__"]
        const leases = []
        for (const [index, name] of names.entries()) {
          leases.push(yield* store.claim({ resource: name, owner: `${index}`, waitFor: 0 }))
        }
        for (const [index, name] of names.entries()) {
          assert.deepStrictEqual((yield* store.inspect(name)).holders.map((it) => it.owner), [`${index}`], name)
        }
        for (const lease of leases) yield* lease.release
        for (const name of names) assert.deepStrictEqual((yield* store.inspect(name)).holders, [], name)
      })
  )

  describedLaw("owner and value are any text", ({ resource, store }) =>
    Effect.gen(function*() {
      for (const text of strange) {
        const lease = yield* store.claim({ resource, owner: text, value: text })
        const { holders } = yield* store.inspect(resource)
        assert.deepStrictEqual(holders.map(({ owner, value }) => [owner, value]), [[text, text]])
        yield* lease.release
      }
      const long = "é".repeat(65_536)
      const lease = yield* store.claim({ resource, value: long })
      assert.strictEqual((yield* store.inspect(resource)).holders[0]?.value, long)
      yield* lease.release
    }))

  describedLaw(
    "an update is seen by inspect and changes nothing else",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const lease = yield* store.claim({ resource, owner: "me", value: "old" })
        yield* lease.update("new")
        const { holders } = yield* store.inspect(resource)
        assert.deepStrictEqual(holders.map(({ owner, token, value }) => [owner, token, value]), [[
          "me",
          lease.token,
          "new"
        ]])
        yield* lease.release
      })
  )

  describedLaw(
    "changes shows what is now and then each later state, none older after a newer",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const last = 50
        const lease = yield* store.claim({ resource, value: "0" })
        const first = yield* Deferred.make<void>()
        const values: Array<number> = []
        const watcher = yield* store.changes(resource).pipe(
          Stream.takeUntil(({ holders }) => values.length > 0 && holders.length === 0),
          Stream.runForEach(({ holders }) => {
            values.push(Number(holders[0]?.value ?? last + 1))
            return Deferred.succeed(first, undefined)
          }),
          Effect.forkScoped
        )
        yield* inTime("the present state is shown", Deferred.await(first))
        assert.strictEqual(values[0], 0)
        for (let value = 1; value <= last; value++) yield* lease.update(`${value}`)
        yield* lease.release
        yield* inTime("the end is shown", Fiber.join(watcher))
        assert.strictEqual(values.at(-1), last + 1)
        assert.deepStrictEqual(values, [...values].sort((a, b) => a - b))
      })
  )

  law("changes shows a waiter that comes, is granted, and leaves", ({ resource, store }) =>
    Effect.gen(function*() {
      const states: Array<string> = []
      const show = (now: Lease.Inspection) => {
        const state = [now.holders, now.waiters].map((all) => all.map((it) => it.owner).join()).join("|")
        if (states.at(-1) !== state) states.push(state)
        return states.length
      }
      const until = (state: string) =>
        Effect.gen(function*() {
          while (states.at(-1) !== state) yield* Effect.sleep(1)
        }).pipe((wait) => inTime(`${state} is shown`, wait))
      yield* Effect.forkScoped(Stream.runForEach(store.changes(resource), (now) => Effect.sync(() => show(now))))
      yield* until("|")
      const a = yield* store.claim({ resource, owner: "a" })
      yield* until("a|")
      const waiter = yield* standInLine(store, { resource, owner: "b" })
      yield* until("a|b")
      yield* a.release
      const b = yield* inTime("the waiter is served", Fiber.join(waiter))
      yield* until("b|")
      yield* b.release
      yield* until("|")
      assert.deepStrictEqual(states.filter((state) => state !== "|b"), ["|", "a|", "a|b", "b|", "|"])
    }))
}

const strange = [
  "",
  " ",
  "a b",
  "a/b",
  "/",
  "a:b",
  "{a}",
  "{",
  "}",
  "a{b}c",
  "*",
  "?",
  "[a]",
  "\\",
  "\n",
  "\r\n",
  "\t",
  "\u0000",
  "'\"`",
  "%00",
  "$1",
  "constructor",
  "é",
  "e\u0301",
  "😀",
  "\u{10FFFF}",
  "\uFEFF",
  "-0",
  "x".repeat(1000),
  "😀".repeat(512)
]
