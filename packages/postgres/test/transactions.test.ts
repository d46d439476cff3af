import { PgClient } from "@effect/sql-pg"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { DistributedLock, LeaseStore } from "heddle/coordination"
import { Postgres, PostgresAdvisoryLeaseStore } from "../src/index.ts"
import * as PostgresTest from "./PostgresTest.ts"
import { eventually, inTime } from "./PostgresTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { admin, server } = await Effect.runPromise(Scope.provide(PostgresTest.make, scope))

const app = (url = server.url, maxConnections = 10) =>
  Effect.map(
    Layer.build(PgClient.layer({ url: Redacted.make(url), maxConnections, prepare: url === server.url })),
    Context.get(SqlClient)
  )

const locks = Effect.map(
  admin("select count(*)::int4 from pg_locks where locktype = 'advisory'"),
  ([row]) => Number(row?.[0])
)
const waiting = eventually(
  Effect.map(
    admin("select count(*)::int4 from pg_locks where locktype = 'advisory' and not granted"),
    ([row]) => row?.[0] === 1
  )
)

describe("withTransactionLock", () => {
  for (const connections of [1, 5, 10]) {
    it.live(`AC-43.1: never lets two of 20 users in, and leaves no lock, with a pool of ${connections}`, () =>
      Effect.gen(function*() {
        const sql = yield* app(server.url, connections)
        let inside = 0
        let most = 0
        yield* sql`create table if not exists counter as select 0::int4 as n`
        yield* sql`update counter set n = 0`
        const add = Effect.gen(function*() {
          most = Math.max(most, ++inside)
          const [row] = yield* sql<{ n: number }>`select n from counter`
          yield* sql`update counter set n = ${(row?.n ?? 0) + 1}`
          inside--
        }).pipe(Postgres.withTransactionLock("counter"), Effect.provideService(SqlClient, sql))
        yield* inTime(Effect.forEach(Array.from({ length: 20 }), () => add, { concurrency: "unbounded" }))
        assert.deepStrictEqual(yield* sql`select n from counter`, [{ n: 20 }])
        assert.strictEqual(most, 1)
        assert.strictEqual(yield* locks, 0)
      }))
  }

  it.live("commits what the section wrote, and rolls back what failed, with the lock", () =>
    Effect.gen(function*() {
      const sql = yield* app()
      yield* sql`create table written (v text)`
      const write = (v: string) => sql`insert into written values (${v})`
      const locked = Postgres.withTransactionLock("written")
      const run = <A, E>(effect: Effect.Effect<A, E, SqlClient>) => Effect.provideService(effect, SqlClient, sql)
      yield* run(locked(write("kept")))
      assert.strictEqual(yield* Effect.flip(run(locked(Effect.andThen(write("undone"), Effect.fail("no"))))), "no")
      assert.deepStrictEqual(yield* sql`select v from written`, [{ v: "kept" }])
      assert.strictEqual(yield* locks, 0)
      // In a transaction of the app the lock lasts until that ends, and a failed section takes only its own back.
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* run(locked(write("inner")))
        yield* Effect.flip(run(locked(Effect.andThen(write("undone"), Effect.fail("no")))))
        assert.strictEqual(yield* locks, 1)
      }))
      assert.strictEqual(yield* locks, 0)
      assert.deepStrictEqual(yield* sql`select v from written`, [{ v: "kept" }, { v: "inner" }])
    }))

  it.live("waits no longer than it may, and leaves the transaction's own limit and its work as they were", () =>
    Effect.gen(function*() {
      const [sql, other] = [yield* app(), yield* app()]
      const held = yield* Deferred.make<void>()
      const holder = yield* Effect.forkChild(
        Effect.andThen(Deferred.succeed(held, undefined), Effect.never).pipe(
          Postgres.withTransactionLock("bounded"),
          Effect.provideService(SqlClient, other)
        )
      )
      yield* Deferred.await(held)
      yield* sql`create table bounded (v text)`
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* sql`set local lock_timeout = '12345ms'`
        yield* sql`insert into bounded values ('before')`
        for (const waitFor of [0, 20]) {
          const error = yield* Effect.void.pipe(
            Postgres.withTransactionLock("bounded", { waitFor }),
            Effect.provideService(SqlClient, sql),
            Effect.flip
          )
          assert.deepInclude(error, { _tag: "LeaseTimeout", resource: "bounded" })
        }
        const waits = yield* Effect.forkChild(
          sql`insert into bounded values ('after')`.pipe(
            Postgres.withTransactionLock("bounded", { waitFor: "20 seconds" }),
            Effect.provideService(SqlClient, sql)
          )
        )
        yield* waiting
        yield* Fiber.interrupt(holder)
        yield* inTime(Fiber.join(waits))
        assert.deepStrictEqual(yield* sql`show lock_timeout`, [{ lock_timeout: "12345ms" }])
      }))
      assert.deepStrictEqual(yield* sql`select v from bounded`, [{ v: "before" }, { v: "after" }])
    }))

  it.live("interrupted at any point it leaves nothing in pg_locks", () =>
    Effect.gen(function*() {
      const [sql, other] = [yield* app(), yield* app()]
      const locked = (client: SqlClient, millis: number) =>
        Effect.sleep(millis).pipe(
          Postgres.withTransactionLock("interrupted"),
          Effect.provideService(SqlClient, client)
        )
      for (let round = 0; round < 20; round++) {
        const holder = yield* Effect.forkChild(locked(other, 5), { startImmediately: true })
        const user = yield* Effect.forkChild(locked(sql, 5), { startImmediately: true })
        yield* Effect.sleep(round % 8)
        yield* Fiber.interrupt(user)
        yield* Fiber.join(holder)
      }
      assert.strictEqual(yield* locks, 0)
    }))

  it.live("excludes a lock of the same key among advisory leases, and works behind a pooler", () =>
    Effect.gen(function*() {
      const pooler = yield* Servers.pgbouncer(server, "transaction")
      const sql = yield* app(pooler.url)
      const attempt = Effect.void.pipe(
        Postgres.withTransactionLock("both", { waitFor: 0 }),
        Effect.provideService(SqlClient, sql)
      )
      const leases = yield* Effect.map(
        Layer.build(PostgresAdvisoryLeaseStore.layer({ url: server.url })),
        Context.get(LeaseStore.LeaseStore)
      )
      const error = yield* DistributedLock.withLock("both")(Effect.flip(attempt)).pipe(
        Effect.provideService(LeaseStore.LeaseStore, leases)
      )
      assert.strictEqual(error._tag, "LeaseTimeout")
      yield* eventually(Effect.isSuccess(attempt))
    }))

  it.live("refuses a key or a wait that means nothing", () =>
    Effect.gen(function*() {
      const sql = yield* app()
      for (const [key, waitFor] of [["", 1], ["x".repeat(1001), 1], ["\uD83D", 1], ["k", NaN], ["k", -1]] as const) {
        const error = yield* Effect.void.pipe(
          Postgres.withTransactionLock(key, { waitFor }),
          Effect.provideService(SqlClient, sql),
          Effect.flip
        )
        assert.strictEqual(error._tag, "InvalidClaim")
      }
    }))
})

describe("fenced", () => {
  const lease = (token: bigint, resource = "fenced") => ({ resource, token })

  it.live("accepts a token as long as there was none later: 11, 11, 9 are accepted, accepted, refused", () =>
    Effect.gen(function*() {
      const sql = yield* app()
      yield* sql`create table account (v text)`
      const write = (token: bigint) =>
        sql`insert into account values (${String(token)})`.pipe(
          Postgres.fenced(lease(token)),
          Effect.provideService(SqlClient, sql)
        )
      yield* write(11n)
      yield* write(11n)
      const error = yield* Effect.flip(write(9n))
      assert.deepInclude(error, { _tag: "StaleToken", resource: "fenced", token: 9n })
      yield* write(2n ** 70n)
      assert.strictEqual((yield* Effect.flip(write(2n ** 64n)))._tag, "StaleToken")
      assert.deepStrictEqual(yield* sql`select v from account`, [{ v: "11" }, { v: "11" }, { v: String(2n ** 70n) }])
    }))

  it.live("a write that fails takes its token back, and resources do not mix", () =>
    Effect.gen(function*() {
      const sql = yield* app()
      const fenced = <A, E>(token: bigint, resource: string, effect: Effect.Effect<A, E, SqlClient>) =>
        Effect.provideService(Postgres.fenced(lease(token, resource))(effect), SqlClient, sql)
      assert.strictEqual(yield* Effect.flip(fenced(5n, "back", Effect.fail("no"))), "no")
      yield* fenced(4n, "back", Effect.void)
      for (const resource of ["a\0b", "a\\0b", "x".repeat(1024), `${"x".repeat(1023)}y`]) {
        yield* fenced(4n, resource, Effect.void)
        assert.strictEqual((yield* Effect.flip(fenced(3n, resource, Effect.void)))._tag, "StaleToken")
      }
    }))

  it.live("an older holder waits for the outcome of a later one, in the app's own transaction", () =>
    Effect.gen(function*() {
      const sql = yield* app()
      const write = (token: bigint) =>
        Effect.void.pipe(Postgres.fenced(lease(token, "waits")), Effect.provideService(SqlClient, sql))
      yield* write(1n)
      for (const outcome of ["commits", "rolls back"]) {
        const done = yield* Deferred.make<void>()
        const decided = yield* Deferred.make<void>()
        const later = yield* sql.withTransaction(Effect.gen(function*() {
          yield* write(outcome === "commits" ? 9n : 20n)
          yield* Deferred.succeed(done, undefined)
          yield* Deferred.await(decided)
          if (outcome === "rolls back") yield* Effect.fail("rolled back")
        })).pipe(Effect.exit, Effect.forkChild)
        yield* Deferred.await(done)
        const older = yield* Effect.forkChild(Effect.exit(write(outcome === "commits" ? 8n : 10n)))
        yield* eventually(
          Effect.map(
            admin("select count(*)::int4 from pg_stat_activity where wait_event_type = 'Lock'"),
            ([row]) => row?.[0] === 1
          )
        )
        yield* Deferred.succeed(decided, undefined)
        yield* Fiber.join(later)
        assert.strictEqual(Exit.isSuccess(yield* inTime(Fiber.join(older))), outcome === "rolls back")
      }
    }))

  it.live("makes its table at first use, also if that is rolled back, and can use one made by somebody else", () =>
    Effect.gen(function*() {
      const sql = yield* app()
      const schema = "rolled"
      const write = Effect.void.pipe(Postgres.fenced(lease(1n), { schema }), Effect.provideService(SqlClient, sql))
      yield* Effect.flip(sql.withTransaction(Effect.andThen(write, Effect.fail("undone"))))
      yield* write
      yield* admin("create role heddle_writer login")
      const user = yield* app(server.url.replace("//postgres@", "//heddle_writer@"))
      const theirs = Effect.void.pipe(
        Postgres.fenced(lease(1n), { schema: "made" }),
        Effect.provideService(SqlClient, user)
      )
      assert.strictEqual((yield* Effect.flip(theirs))._tag, "SqlError")
      yield* admin(Postgres.fenceSql("made"))
      yield* admin("grant usage on schema made to heddle_writer")
      yield* admin("grant select, insert, update on made.fence to heddle_writer")
      yield* theirs
    }))
})
