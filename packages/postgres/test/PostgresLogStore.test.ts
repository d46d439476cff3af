import { afterAll, assert, describe, it } from "@effect/vitest"
import { logLaws } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { LogStore } from "heddle/messaging"
import { PostgresLogStore } from "../src/index.ts"
import * as PostgresTest from "./PostgresTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { admin, proxy, server, url } = await Effect.runPromise(Scope.provide(PostgresTest.make, scope))

const options = { url, commandTimeout: "2 seconds" } as const

logLaws("postgres", PostgresLogStore.layer(options), {
  shared: true,
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
})

const build = (schema: string, more: Partial<PostgresLogStore.Options> = {}) =>
  Effect.map(
    Layer.build(Layer.fresh(PostgresLogStore.layer({ ...options, schema, ...more }))),
    Context.get(LogStore.LogStore)
  )
const bytes = (text: string) => [{ payload: new TextEncoder().encode(text) }]
const read = (store: LogStore.LogStore["Service"], log: string, count: number) =>
  Effect.flatMap(store.read(log, "oldest"), ({ entries }) =>
    Effect.map(
      PostgresTest.inTime(Stream.runCollect(Stream.take(entries, count))),
      (all) => all.map(({ payload }) => new TextDecoder().decode(payload))
    ))

describe("logs on PostgreSQL", () => {
  it.live("a store goes on when the server has lost all it had, and offsets grow", () =>
    Effect.gen(function*() {
      const store = yield* build("lost")
      const [before = 0n] = yield* store.append("l", bytes("a"))
      const entries = yield* store.read("l", "end")
      yield* admin("drop schema lost cascade")
      const [after = 0n] = yield* store.append("l", bytes("b"))
      assert.isTrue(after > before)
      assert.deepStrictEqual(yield* read(store, "l", 1), ["b"])
      const [live] = yield* PostgresTest.inTime(Stream.runCollect(Stream.take(entries.entries, 1)))
      assert.strictEqual(live?.offset, after)
    }).pipe(Effect.scoped))

  it.live("a user who may create nothing works with what a migration made, and is told what he lacks", () =>
    Effect.gen(function*() {
      yield* admin("create role clerk login password 'c'")
      const address = new URL(url)
      address.username = "clerk"
      address.password = "c"
      const clerk = { url: String(address) }
      assert.match((yield* Effect.flip(build("ledger", clerk))).message, /grant it/)
      yield* admin(PostgresLogStore.sql("ledger"))
      yield* admin("grant usage on schema ledger to clerk")
      assert.match((yield* Effect.flip(build("ledger", clerk))).message, /grant usage/)
      yield* admin("grant select, insert, update, delete on all tables in schema ledger to clerk")
      const store = yield* build("ledger", clerk)
      yield* store.append("l", bytes("a"), { count: 1, age: "1 day" })
      assert.deepStrictEqual(yield* read(store, "l", 1), ["a"])
    }).pipe(Effect.scoped))

  it.live("an append that is as large as many statements is there in order, and so are those of many fibers at once", () =>
    Effect.gen(function*() {
      const store = yield* build("many")
      const large = Array.from({ length: 12 }, (_, at) => ({ payload: new Uint8Array(900_000).fill(at) }))
      const offsets = yield* store.append("large", large)
      assert.deepStrictEqual(offsets, offsets.toSorted((a, b) => Number(a - b)))
      const { entries } = yield* store.read("large", "oldest")
      const found = yield* PostgresTest.inTime(Stream.runCollect(Stream.take(entries, 12)))
      assert.deepStrictEqual(
        found.map(({ offset, payload }) => [offset, payload[0]]),
        offsets.map((one, at) => [one, at])
      )
      const names = Array.from({ length: 50 }, (_, at) => String(at))
      const all = yield* Effect.forEach(names, (one) => store.append(Number(one) % 2 ? "odd" : "even", bytes(one)), {
        concurrency: "unbounded"
      })
      assert.strictEqual(new Set(all.flat().map(String)).size, 50)
      assert.deepStrictEqual(yield* read(store, "even", 25), names.filter((one) => Number(one) % 2 === 0))
    }).pipe(Effect.scoped))
})
