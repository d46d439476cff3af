import { PgClient } from "@effect/sql-pg"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import { leaseStoreLaws, readWriteLockLaws } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { LeaseStore } from "heddle/coordination"
import { PostgresAdvisoryLeaseStore } from "../src/index.ts"
import { halvesOf, numberOf } from "../src/internal/advisoryKeys.ts"
import * as PostgresTest from "./PostgresTest.ts"
import { eventually, inTime } from "./PostgresTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { admin, proxy, server, url } = await Effect.runPromise(Scope.provide(PostgresTest.make, scope))

const options = { url, commandTimeout: "2 seconds", heartbeat: "100 millis" } as const

const locks = Effect.map(
  admin("select count(*)::int4 from pg_locks where locktype = 'advisory'"),
  ([row]) => Number(row?.[0])
)
const holders = (resource: string) =>
  admin(
    "select pid from pg_locks where locktype = 'advisory' and granted and classid::int8 = $1 and objid::int8 = $2",
    [
      ...halvesOf(numberOf("heddle", resource))
    ]
  )

leaseStoreLaws("postgres advisory", PostgresAdvisoryLeaseStore.layer(options), {
  shared: true,
  fair: true,
  tied: true,
  worker: { module: new URL("fixtures/advisoryWorker.ts", import.meta.url), env: { POSTGRES_URL: url } },
  forget: (resource) =>
    Effect.flatMap(
      holders(resource),
      (pids) => admin("select pg_terminate_backend(unnest($1::int4[]))", [pids.flat()])
    ),
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal),
  remnants: locks
})

readWriteLockLaws("postgres advisory", PostgresAdvisoryLeaseStore.layer(options))

const store = (more: Partial<PostgresAdvisoryLeaseStore.Options> = {}) =>
  Effect.map(
    Layer.build(Layer.fresh(PostgresAdvisoryLeaseStore.layer({ ...options, ...more }))),
    Context.get(LeaseStore.LeaseStore)
  )

const schedule = Schedule.spaced("20 millis")

const none = eventually(Effect.map(locks, (count) => count === 0))

/** Completes when so many wait in the server's own line. */
const waiting = (count: number) =>
  eventually(
    Effect.map(
      admin("select count(*)::int4 from pg_locks where locktype = 'advisory' and not granted"),
      ([row]) => row?.[0] === count
    )
  )

const terminate = (pids: ReadonlyArray<unknown>) => admin("select pg_terminate_backend(unnest($1::int4[]))", [pids])

const all = 2 ** 31 - 1
const reader = { permits: 1, limit: all } as const
const writer = { permits: all, limit: all } as const

describe("AC-43.1: lock, work and unlock on one session", () => {
  for (const waiters of [1, 5, 10]) {
    it.live(`never lets two of 20 users in, and leaves no lock, with ${waiters} sessions to wait on`, () =>
      Effect.gen(function*() {
        yield* Effect.scoped(Effect.gen(function*() {
          const stores = [yield* store({ waiters }), yield* store({ waiters })]
          let inside = 0
          let most = 0
          let served = 0
          const use = LeaseStore.withLease({ resource: "ac-43.1" }, () =>
            Effect.gen(function*() {
              most = Math.max(most, ++inside)
              yield* Effect.yieldNow
              inside--
              served++
            }))
          yield* Effect.forEach(
            Array.from({ length: 20 }),
            (_, user) =>
              Effect.forEach([1, 2, 3, 4, 5], () => use).pipe(
                Effect.provideService(LeaseStore.LeaseStore, stores[user % 2] ?? assert.fail())
              ),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual({ most, served }, { most: 1, served: 100 })
          yield* none
        }))
        yield* none
      }))
  }
})

describe("AC-43.2: those who wait never starve the holder of connections", () => {
  it.live("20 users whose sections share one connection of the app all get through", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const app = yield* Effect.map(
        Layer.build(PgClient.layer({ url: Redacted.make(server.url), maxConnections: 1 })),
        Context.get(SqlClient)
      )
      const answers = yield* inTime(
        Effect.forEach(Array.from({ length: 20 }, (_, user) => user), (user) =>
          LeaseStore.withLease({ resource: "ac-43.2" }, () =>
            app.withTransaction(Effect.map(app<{ user: number }>`select ${user}::int4 as user`, ([row]) =>
              row?.user))), {
          concurrency: "unbounded"
        }).pipe(Effect.provideService(LeaseStore.LeaseStore, one))
      )
      assert.deepStrictEqual(
        answers,
        Array.from({ length: 20 }, (_, user) =>
          user)
      )
    }))

  it.live("a holder that waits for more than there are sessions gets what comes free", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store({ waiters: 1 }), yield* store()]
      const first = yield* other.claim({ resource: "first" })
      const second = yield* other.claim({ resource: "second" })
      const waits = yield* Effect.forkChild(one.claim({ resource: "first" }))
      yield* waiting(1)
      yield* first.release
      // The only session to wait on holds "first" now.
      const held = yield* inTime(Fiber.join(waits))
      const more = yield* Effect.forkChild(one.claim({ resource: "second" }))
      yield* eventually(Effect.map(one.inspect("second"), ({ waiters }) => waiters.length === 1))
      yield* second.release
      yield* Effect.flatMap(inTime(Fiber.join(more)), (lease) => lease.release)
      yield* held.release
    }))

  it.live("those who have no session to wait on are tried for as soon as their own process gives back", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store({ waiters: 1, heartbeat: "1 hour" }), yield* store()]
      const elsewhere = yield* other.claim({ resource: "elsewhere" })
      const occupied = yield* Effect.forkChild(one.claim({ resource: "elsewhere" }))
      yield* waiting(1)
      const holder = yield* one.claim({ resource: "back" })
      const served: Array<number> = []
      const users = yield* Effect.forEach([0, 1, 2], (user) =>
        Effect.forkChild(
          LeaseStore.withLease({ resource: "back" }, () => Effect.sync(() => served.push(user))).pipe(
            Effect.provideService(LeaseStore.LeaseStore, one)
          ),
          { startImmediately: true }
        ))
      yield* eventually(Effect.map(one.inspect("back"), ({ waiters }) => waiters.length === 3))
      yield* holder.release
      yield* inTime(Fiber.joinAll(users))
      assert.deepStrictEqual(served, [0, 1, 2])
      yield* elsewhere.release
      yield* Effect.flatMap(inTime(Fiber.join(occupied)), (lease) => lease.release)
    }))
})

describe("AC-43.3: interruption at any point leaves nothing in pg_locks", () => {
  it.live("of a claim, free or contended, exclusive or shared, or of a section", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store(), yield* store()]
      for (let round = 0; round < 60; round++) {
        const holder = round % 2 === 0 ? yield* other.claim({ resource: "ac-43.3" }) : undefined
        const request = round % 3 === 0 ? { resource: "ac-43.3", ...reader } : { resource: "ac-43.3" }
        const section = LeaseStore.withLease(request, () => Effect.sleep(1)).pipe(
          Effect.provideService(LeaseStore.LeaseStore, one)
        )
        const user = yield* Effect.forkChild(section, { startImmediately: true })
        for (let step = 0; step < round % 7; step++) yield* Effect.yieldNow
        if (round % 5 === 0) yield* Effect.sleep(round % 4)
        if (round % 4 === 0) holder?.releaseUnsafe()
        yield* Fiber.interrupt(user)
        yield* holder?.release ?? Effect.void
      }
      yield* none
    }))
})

describe("a lease store on advisory locks", () => {
  it.live("lets readers in together, and none of them past a writer that waits, in one process or many", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store(), yield* store()]
      const readers = [
        yield* one.claim({ resource: "rw", ...reader }),
        yield* one.claim({ resource: "rw", ...reader }),
        yield* other.claim({ resource: "rw", ...reader })
      ]
      assert.isTrue(Option.isNone(yield* one.tryClaim({ resource: "rw", ...writer })))
      const writes = yield* Effect.forkChild(one.claim({ resource: "rw", ...writer }))
      yield* waiting(1)
      for (const store of [one, other]) {
        assert.isTrue(Option.isNone(yield* store.tryClaim({ resource: "rw", ...reader })))
      }
      const late = yield* Effect.forkChild(one.claim({ resource: "rw", ...reader }))
      yield* waiting(2)
      for (const lease of readers) yield* lease.release
      const write = yield* inTime(Fiber.join(writes))
      assert.isUndefined(late.pollUnsafe())
      yield* write.shrink(1)
      yield* Effect.flatMap(inTime(Fiber.join(late)), (lease) => lease.release)
      assert.isTrue(Option.isNone(yield* other.tryClaim({ resource: "rw", ...writer })))
      yield* write.release
      yield* none
    }))

  it.live("refuses what an advisory lock cannot do, before any round trip", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const refused = (effect: Effect.Effect<unknown, unknown>) => Effect.runSync(Effect.flip(effect))
      for (const request of [{ permits: 2, limit: 3 }, { permits: 1, limit: 3 }, { permits: 2, limit: all }]) {
        assert.deepInclude(refused(Effect.scoped(one.claim({ resource: "no", ...request }))), {
          _tag: "InvalidClaim",
          field: "limit"
        })
      }
      assert.deepInclude(refused(Effect.scoped(one.claim({ resource: "no", value: "x" }))), { field: "value" })
      assert.deepInclude(refused(one.resize("no", 3)), { field: "limit" })
      const lease = yield* one.claim({ resource: "no" })
      assert.deepInclude(refused(lease.update("x")), { field: "value" })
      yield* lease.shrink(1)
      yield* lease.release
    }))

  it.live("refuses a name whose number another name uses", () =>
    Effect.gen(function*() {
      const one = yield* store()
      yield* admin("insert into heddle.advisory_key values ($1, 'another name', current_date)", [
        numberOf("heddle", "a name")
      ])
      const error = yield* Effect.flip(one.claim({ resource: "a name" }))
      assert.strictEqual(error._tag, "InvalidClaim")
      assert.match(error.message, /"a name" and "another name" have the same number/)
      yield* none
    }))

  it.live("loses all leases of a session at once when it ends, and takes others on the next", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const leases = yield* Effect.forEach(["lost-1", "lost-2"], (resource) => one.claim({ resource, ttl: "1 hour" }))
      const sections = yield* Effect.forEach(
        leases,
        (lease) => Effect.forkChild(Effect.flip(lease.run(Effect.never)), { startImmediately: true })
      )
      yield* Effect.flatMap(holders("lost-1"), (pids) => terminate(pids.flat()))
      for (const section of sections) {
        assert.deepInclude(yield* inTime(Fiber.join(section)), { _tag: "LeaseLost", reason: "revoked" })
      }
      const next = yield* inTime(one.claim({ resource: "lost-1" }))
      yield* next.release
    }))

  it.live("those who claim at the same moment in one process come into the server's line in order, though nobody looks", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store(), yield* store()]
      for (let round = 0; round < 20; round++) {
        const holder = yield* other.claim({ resource: "moment" })
        const served: Array<number> = []
        const users = yield* Effect.forEach(Array.from({ length: 8 }), (_, user) =>
          Effect.forkChild(
            LeaseStore.withLease({ resource: "moment" }, () => Effect.sync(() => served.push(user))).pipe(
              Effect.provideService(LeaseStore.LeaseStore, one)
            ),
            { startImmediately: true }
          ))
        yield* waiting(8)
        yield* holder.release
        yield* inTime(Fiber.joinAll(users))
        assert.deepStrictEqual(served, [0, 1, 2, 3, 4, 5, 6, 7])
      }
      yield* none
    }))

  it.live("who gives up on the way into the server's line lets nobody pass who came later", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store(), yield* store()]
      for (let round = 0; round < 20; round++) {
        const holder = yield* other.claim({ resource: "on-the-way" })
        const served: Array<number> = []
        const users = yield* Effect.forEach(Array.from({ length: 6 }), (_, user) =>
          Effect.forkChild(
            LeaseStore.withLease({ resource: "on-the-way" }, () => Effect.sync(() => served.push(user))).pipe(
              Effect.provideService(LeaseStore.LeaseStore, one)
            ),
            { startImmediately: true }
          ))
        for (let step = 0; step < round % 5; step++) yield* Effect.yieldNow
        for (const user of [1, 3, 4]) users[user]?.interruptUnsafe()
        yield* waiting(3)
        yield* holder.release
        yield* inTime(Effect.forEach(users, (user) => Fiber.await(user), { discard: true }))
        assert.deepStrictEqual(served, [0, 2, 5])
      }
      yield* none
    }))

  it.live("a waiter whose session ends stands in line anew", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store(), yield* store()]
      const holder = yield* other.claim({ resource: "anew" })
      const waits = yield* Effect.forkChild(one.claim({ resource: "anew" }))
      yield* waiting(1)
      const [[pid] = []] = yield* admin("select pid from pg_locks where locktype = 'advisory' and not granted")
      yield* terminate([pid])
      const [moved] = yield* eventually(
        Effect.map(
          admin("select pid from pg_locks where locktype = 'advisory' and not granted"),
          (rows) => rows.length === 1 && rows[0]?.[0] !== pid
        )
      ).pipe(Effect.as([true]))
      assert.isTrue(moved)
      yield* holder.release
      yield* Effect.flatMap(inTime(Fiber.join(waits)), (lease) => lease.release)
    }))

  it.live("a waiter that gives up leaves the server's line, and its session serves the next", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store({ waiters: 1 }), yield* store()]
      const holder = yield* other.claim({ resource: "up" })
      for (let turn = 0; turn < 5; turn++) {
        const waits = yield* Effect.forkChild(one.claim({ resource: "up" }))
        yield* waiting(1)
        yield* Fiber.interrupt(waits)
        yield* waiting(0)
      }
      assert.isTrue(holder.isAlive())
      yield* holder.release
      yield* none
    }))

  it.live("keeps a session that holds nothing for longer than the ttl of what it held", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const lease = yield* one.claim({ resource: "rests", ttl: 100 })
      const pids = yield* holders("rests")
      yield* lease.release
      yield* eventually(
        Effect.map(
          admin("select now() - state_change > interval '300 ms' from pg_stat_activity where pid = any($1)", [
            pids.flat()
          ]),
          ([row]) => row?.[0] === true
        )
      )
      const next = yield* one.claim({ resource: "rests", ttl: 100 })
      assert.deepStrictEqual(yield* holders("rests"), pids)
      yield* next.release
    }))

  it.live("answers a server that stands still with an error, in time, and goes on with it", () =>
    Effect.gen(function*() {
      const one = yield* store({ commandTimeout: "500 millis" })
      yield* Effect.flatMap(one.claim({ resource: "still" }), (lease) => lease.release)
      yield* server.stop
      const error = yield* inTime(Effect.flip(one.claim({ resource: "still" })))
      yield* server.continue
      assert.strictEqual(error._tag, "StoreUnavailable")
      const lease = yield* inTime(
        Effect.retry(one.claim({ resource: "still" }), { while: (error) => error._tag === "StoreUnavailable" })
      )
      yield* lease.release
      yield* none
    }))

  it.live("tells those in line when the server is gone for longer than a step may take", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store({ commandTimeout: "500 millis" }), yield* store()]
      yield* other.claim({ resource: "gone" })
      const waits = yield* Effect.forkChild(Effect.flip(one.claim({ resource: "gone" })))
      yield* waiting(1)
      yield* server.kill
      const error = yield* Effect.ensuring(inTime(Fiber.join(waits)), Effect.orDie(server.restart()))
      assert.strictEqual(error._tag, "StoreUnavailable")
    }))

  it.live("tokens grow over a restart, with or without the data", () =>
    Effect.gen(function*() {
      let last = 0n
      for (const keepData of [true, false]) {
        const one = yield* store()
        for (let turn = 0; turn < 3; turn++) {
          const lease = yield* one.claim({ resource: "restarted", tokens: 1000 })
          assert.isTrue(lease.token > last)
          last = lease.token + 999n
          yield* lease.release
        }
        yield* server.restart({ keepData })
      }
      const lease = yield* Effect.flatMap(store(), (one) => one.claim({ resource: "restarted" }))
      assert.isTrue(lease.token > last)
      yield* lease.release
    }))

  it.live("goes on with a server that has lost all it had", () =>
    Effect.gen(function*() {
      const one = yield* store()
      yield* Effect.flatMap(one.claim({ resource: "before" }), (lease) => lease.release)
      yield* server.restart({ keepData: false })
      for (const resource of ["before", "new"]) {
        const lease = yield* inTime(
          Effect.retry(one.claim({ resource }), { while: (error) => error._tag === "StoreUnavailable", schedule })
        )
        yield* lease.release
      }
      yield* Effect.scoped(store())
    }))

  it.live("a lock that the server does not take back is free all the same: its session ends", () =>
    Effect.gen(function*() {
      yield* admin("create role heddle_keeper login")
      yield* admin(PostgresAdvisoryLeaseStore.sql("kept"))
      yield* admin("grant usage on schema kept to heddle_keeper")
      yield* admin("grant all on all tables in schema kept to heddle_keeper")
      yield* admin("grant all on all sequences in schema kept to heddle_keeper")
      const one = yield* store({ url: server.url.replace("//postgres@", "//heddle_keeper@"), schema: "kept" })
      yield* Effect.acquireRelease(
        admin("revoke execute on function pg_advisory_unlock(int8) from public"),
        () => admin("grant execute on function pg_advisory_unlock(int8) to public")
      )
      const lease = yield* one.claim({ resource: "kept" })
      assert.match((yield* Effect.flip(lease.release)).message, /does not let this user do that/)
      const writer = yield* one.claim({ resource: "kept", permits: all, limit: all })
      assert.match((yield* Effect.flip(writer.shrink(1))).message, /does not let this user do that/)
      yield* none
    }))

  it.live("works through a pooler of sessions, and on the server's own address beside one of transactions", () =>
    Effect.gen(function*() {
      const sessions = yield* Servers.pgbouncer(server, "session")
      const transactions = yield* Servers.pgbouncer(server, "transaction")
      const error = yield* Effect.flip(
        Effect.flatMap(store({ url: transactions.url }), (one) => one.claim({ resource: "pooled" }))
      )
      assert.match(error.message, /pooler of transactions.*directUrl/)
      const ways = [{ url: sessions.url }, { url: transactions.url, directUrl: server.url }]
      const [one, other] = yield* Effect.all([store(ways[0]), store(ways[1])])
      const holder = yield* one.claim({ resource: "pooled" })
      const waits = yield* Effect.forkChild(other.claim({ resource: "pooled" }))
      yield* waiting(1)
      yield* Effect.forkChild(Effect.flip(one.claim({ resource: "pooled", waitFor: 50 })))
      yield* holder.release
      yield* Effect.flatMap(inTime(Fiber.join(waits)), (lease) => lease.release)
    }))

  it.live("says what is missing where the app's user may create nothing", () =>
    Effect.gen(function*() {
      yield* admin("create role heddle_locker login")
      const app = { url: server.url.replace("//postgres@", "//heddle_locker@"), schema: "locks" }
      const failing = inTime(Effect.flip(Effect.scoped(store(app))))
      assert.match((yield* failing).message, /does not let this user do that.*permission denied/)
      yield* admin(PostgresAdvisoryLeaseStore.sql("locks"))
      yield* admin("grant usage on schema locks to heddle_locker")
      assert.match((yield* failing).message, /grant usage on it and on its sequence advisory_fence/)
      yield* admin("grant usage on sequence locks.advisory_fence to heddle_locker")
      yield* admin("grant select, insert, update, delete on locks.advisory_key to heddle_locker")
      const one = yield* store(app)
      yield* Effect.flatMap(one.claim({ resource: "theirs" }), (lease) => lease.release)
    }))
})
