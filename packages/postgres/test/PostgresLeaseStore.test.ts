import * as PgConnection from "@effect/sql-pg/PgConnection"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import { allAbilities, leaseStoreLaws } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { LeaseBackend } from "heddle/coordination"
import { LeaseStore } from "heddle/coordination"
import { createHash } from "node:crypto"
import { Postgres, PostgresLeaseStore } from "../src/index.ts"
import { postgresSteps } from "../src/internal/leaseSteps.ts"
import * as PostgresTest from "./PostgresTest.ts"
import { eventually, inTime } from "./PostgresTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { admin, proxy, server, url } = await Effect.runPromise(Scope.provide(PostgresTest.make, scope))

const options = { url, commandTimeout: "2 seconds", heartbeat: "200 millis" } as const
const heal = () => proxy.heal

const tables = ["lease", "lease_holder", "lease_waiter", "lease_gone", "lease_watch"]

leaseStoreLaws("postgres", PostgresLeaseStore.layer(options), {
  ...allAbilities,
  shared: true,
  worker: { module: new URL("fixtures/leaseWorker.ts", import.meta.url), env: { POSTGRES_URL: url } },
  forget: (resource) =>
    Effect.forEach(
      ["lease", "lease_holder", "lease_waiter"],
      (table) => admin(`delete from heddle.${table} where key = $1`, [resource])
    ),
  wipe: admin(`truncate ${tables.map((table) => `heddle.${table}`).join(", ")}`),
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), heal),
  dropPushes: Effect.acquireRelease(proxy.dropMatching("down", (chunk) => chunk.includes("heddle_lease_")), heal),
  remnants: Effect.map(
    admin(`select ${tables.map((table) => `(select count(*) from heddle.${table})`).join("+")}`),
    ([row]) => Number(row?.[0])
  )
})

const store = (more: Partial<PostgresLeaseStore.Options> = {}) =>
  Effect.map(
    Layer.build(Layer.fresh(PostgresLeaseStore.layer({ ...options, ...more }))),
    Context.get(LeaseStore.LeaseStore)
  )

/** Completes when this many rows are there. */
const rows = (table: string, resource: string, count: number) =>
  eventually(
    Effect.map(admin(`select count(*)::int4 from heddle.${table} where key = $1`, [resource]), ([row]) =>
      row?.[0] === count)
  )
const waiting = (resource: string, count: number) => rows("lease_waiter", resource, count)

/** Lets the server carry out what is asked of this resource next, and loses the answer; completes when it has done so. */
const loseAnswer = (resource: string) => {
  let lost = false
  return proxy.dropReply((chunk) => chunk.includes(resource) && !lost && (lost = true))
}

/** Counts the calls of a store from now on. */
const calls = (id: string) =>
  Effect.gen(function*() {
    const counted = { calls: 0 }
    const session = id.slice(0, id.indexOf(":"))
    yield* proxy.dropMatching("up", (chunk) => {
      if (chunk.includes(session)) counted.calls++
      return false
    })
    yield* Effect.addFinalizer(heal)
    return counted
  })

const terminate = admin("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'heddle'")

describe("a lease store on PostgreSQL", () => {
  it.live("takes a free lease and gives it back in one call each, two together in one", () =>
    Effect.gen(function*() {
      const one = yield* store()
      let lease = yield* one.claim({ resource: "calls" })
      const counted = yield* calls(lease.id)
      for (let turn = 0; turn < 10; turn++) {
        lease.releaseUnsafe()
        lease = yield* one.claim({ resource: "calls" })
      }
      yield* lease.release
      assert.strictEqual(counted.calls, 11)
    }))

  it.live("renews a hundred leases in one call", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const leases = yield* Effect.forEach(Array.from({ length: 100 }), (_, n) =>
        one.claim({ resource: `hundred-${n}`, ttl: "3 seconds" }), { concurrency: "unbounded" })
      const counted = yield* calls(leases[0]?.id ?? "")
      const ends = Effect.map(
        admin("select min(until)::text from heddle.lease where key like 'hundred-%'"),
        ([row]) =>
          BigInt(String(row?.[0]))
      )
      const before = yield* ends
      yield* eventually(Effect.map(ends, (now) =>
        now > before))
      assert.strictEqual(counted.calls, 1)
      yield* Effect.forEach(leases, (lease) => lease.release, { concurrency: "unbounded" })
    }))

  it.live("grants a claim whose answer was lost once, and it comes free", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const executed = yield* loseAnswer("unanswered")
      const claim = yield* Effect.forkChild(one.claim({ resource: "unanswered" }))
      yield* inTime(executed)
      yield* proxy.heal
      const lease = yield* inTime(Fiber.join(claim))
      assert.deepStrictEqual((yield* one.inspect("unanswered")).holders.map((it) => it.id), [lease.id])
      yield* lease.release
      yield* rows("lease", "unanswered", 0)
    }))

  it.live("takes back a claim that was given up before its answer was lost", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const executed = yield* loseAnswer("given up")
      const claim = yield* Effect.forkChild(one.claim({ resource: "given up", ttl: "1 hour" }))
      yield* inTime(executed)
      yield* Fiber.interrupt(claim)
      yield* proxy.heal
      const next = yield* inTime(one.claim({ resource: "given up" }))
      yield* next.release
    }))

  it.live("refuses a claim that arrives after it was given up, and forgets it in time", () =>
    Effect.gen(function*() {
      const postgres = yield* Effect.map(Layer.build(Postgres.layer(options)), Context.get(Postgres.Postgres))
      const steps = yield* postgresSteps(postgres, { schema: "heddle", owner: "test", heartbeat: 200 })("refusing")
      const executed = yield* loseAnswer("late")
      const first = yield* Effect.forkChild(steps.ask(claimOf("late:1", "late")))
      yield* inTime(executed)
      // An answer to somebody else can have been the first to be lost.
      yield* rows("lease", "late", 1)
      yield* admin("delete from heddle.lease where key = 'late'")
      yield* Fiber.interrupt(first)
      steps.abandonUnsafe(claimOf("late:1", "late"))
      yield* proxy.heal
      yield* rows("lease_gone", "late", 1)
      assert.deepStrictEqual(yield* steps.ask(claimOf("late:1", "late")), { _tag: "Busy" })
      yield* rows("lease", "late", 0)
    }))

  it.live("a push that was on its way until its lease had ended is not taken for the next grant", () =>
    Effect.gen(function*() {
      const postgres = yield* Effect.map(Layer.build(Postgres.layer(options)), Context.get(Postgres.Postgres))
      const late: Array<() => void> = []
      const delayed: Postgres.Postgres["Service"] = {
        ...postgres,
        listen: (channel, on) =>
          postgres.listen(channel, { ...on, message: (payload) => void late.push(() => on.message(payload)) })
      }
      const steps = yield* postgresSteps(delayed, { schema: "heddle", owner: "test", heartbeat: 1000 })("slow")
      const other = yield* store()
      const first = yield* other.claim({ resource: "slow" })
      const answer = yield* steps.ask({ ...claimOf("slow:1", "slow"), ttl: 300, wait: true })
      assert(answer._tag === "Queued")
      const granted = yield* Effect.forkChild(answer.granted, { startImmediately: true })
      // Asked again after a heartbeat, and so only when the lease has ended that is granted now.
      yield* first.release
      const second = yield* inTime(other.claim({ resource: "slow", ttl: "1 hour" }))
      yield* waiting("slow", 1)
      yield* eventually(Effect.sync(() => late.length > 0))
      for (const tell of late.splice(0)) tell()
      for (let turn = 0; turn < 100; turn++) yield* Effect.yieldNow
      assert.isUndefined(granted.pollUnsafe())
      yield* second.release
      yield* eventually(Effect.sync(() => late.length > 0))
      for (const tell of late.splice(0)) tell()
      assert.isTrue((yield* inTime(Fiber.join(granted))).token > second.token)
    }))

  it.live("does not close before a release is through that has to wait for a session", () =>
    Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const one = yield* store()
        const lease = yield* Scope.provide(one.claim({ resource: "closing", ttl: "1 hour" }), scope)
        yield* proxy.refuse
        yield* proxy.reset
        yield* eventually(Effect.map(proxy.connections, (open) => open === 0))
        lease.releaseUnsafe()
        yield* Effect.forkIn(Effect.delay(proxy.heal, 50), scope)
      }))
      yield* rows("lease", "closing", 0)
    }))

  it.live("hears of its turn again after the session that listens was ended", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store({ heartbeat: "1 hour" }), yield* store({ heartbeat: "1 hour" })]
      const holder = yield* other.claim({ resource: "listening", ttl: "1 hour" })
      const waiter = yield* Effect.forkChild(one.claim({ resource: "listening" }))
      yield* waiting("listening", 1)
      const listening = admin(
        "select pid from pg_stat_activity where application_name = 'heddle' and query like 'LISTEN%'"
      )
      // Those of the test before may still be there.
      yield* eventually(Effect.map(listening, (now) => now.length === 2))
      const before = yield* listening
      yield* admin("select pg_terminate_backend(unnest($1::int4[]))", [before.flat()])
      const renewed = (now: ReadonlyArray<ReadonlyArray<unknown>>) =>
        now.length === before.length && !now.flat().some((pid) => before.flat().includes(pid))
      yield* eventually(Effect.map(listening, renewed))
      yield* holder.release
      yield* Effect.flatMap(inTime(Fiber.join(waiter)), (lease) => lease.release)
    }))

  it.live("serves all claims while its sessions are ended", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const claims = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 500 }), (_, n) =>
          LeaseStore.withLease({ resource: `ended-${n % 5}` }, () => Effect.yieldNow), { concurrency: 50 }).pipe(
            Effect.provideService(LeaseStore.LeaseStore, one)
          )
      )
      yield* Effect.forEach([1, 2, 3], () =>
        Effect.andThen(
          terminate,
          eventually(Effect.map(proxy.connections, (open) =>
            open === 2))
        ))
      yield* inTime(Fiber.join(claims))
      yield* eventually(
        Effect.map(admin("select count(*)::int4 from heddle.lease where key like 'ended-%'"), ([row]) =>
          row?.[0] === 0)
      )
    }))

  it.live("answers a server that stands still with an error, in time, and goes on with it", () =>
    Effect.gen(function*() {
      const one = yield* store({ commandTimeout: "500 millis" })
      yield* server.stop
      const error = yield* inTime(Effect.flip(one.claim({ resource: "paused" })))
      yield* server.continue
      assert.strictEqual(error._tag, "StoreUnavailable")
      const lease = yield* inTime(
        Effect.retry(one.claim({ resource: "paused" }), { while: (error) => error._tag === "StoreUnavailable" })
      )
      yield* lease.release
    }))

  it.live("tells those in line when the server is gone for longer than a step may take", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store({ commandTimeout: "500 millis" }), yield* store()]
      const holder = yield* other.claim({ resource: "gone" })
      const waiter = yield* Effect.forkChild(Effect.flip(one.claim({ resource: "gone" })))
      yield* waiting("gone", 1)
      yield* server.kill
      const error = yield* Effect.ensuring(inTime(Fiber.join(waiter)), Effect.orDie(server.restart()))
      assert.strictEqual(error._tag, "StoreUnavailable")
      yield* Effect.retry(holder.release, { times: 3 })
    }))

  it.live("tells when a resource is locked by a transaction that does not end, and goes on when it does", () =>
    Effect.gen(function*() {
      const one = yield* store({ commandTimeout: "1 second" })
      const lock = "select pg_advisory_lock(hashtextextended('hung', 7236837))"
      const hung = yield* Scope.make()
      const session = yield* Scope.provide(PgConnection.make({ url: Redacted.make(server.url) }), hung)
      yield* session.query(lock)
      const error = yield* inTime(Effect.flip(one.claim({ resource: "hung" })))
      assert.strictEqual(error._tag, "StoreUnavailable")
      yield* Scope.close(hung, Exit.void)
      const lease = yield* inTime(
        Effect.retry(one.claim({ resource: "hung" }), { while: (error) => error._tag === "StoreUnavailable" })
      )
      yield* lease.release
    }))

  it.live("never waits in a circle, in whatever order resources are claimed together", () =>
    Effect.gen(function*() {
      const stores = yield* Effect.forEach([1, 2, 3, 4], () => store())
      const keys = Array.from({ length: 20 }, (_, n) => `circle-${n}`)
      yield* Effect.forEach(stores, (one, n) =>
        Effect.forEach(Array.from({ length: 25 }), () =>
          Effect.forEach(n % 2 === 0 ? keys : keys.toReversed(), (resource) =>
            LeaseStore.withLease({ resource }, () =>
              Effect.yieldNow), { concurrency: "unbounded" })).pipe(
            Effect.provideService(LeaseStore.LeaseStore, one)
          ), { concurrency: "unbounded" })
      const [deadlocks] = yield* admin("select deadlocks::int4 from pg_stat_database where datname = 'postgres'")
      assert.deepStrictEqual(deadlocks, [0])
    }))

  it.live("holds for exactly the ttl, also for less than a second", () =>
    Effect.gen(function*() {
      const one = yield* store()
      for (const ttl of [300, 900]) {
        // On a busy machine a renewal comes before the look, and what it left is not of the claim: then once more.
        const lasts = Effect.scoped(Effect.gen(function*() {
          yield* one.claim({ resource: `ttl-${ttl}`, ttl })
          const [row] = yield* admin("select (until - since)::int4 from heddle.lease where key = $1", [`ttl-${ttl}`])
          return Number(row?.[0])
        }))
        const exact = Effect.filterOrFail(lasts, (micros) => micros === ttl * 1000)
        yield* Effect.retry(exact, { times: 50 })
      }
    }))

  it.live("never repeats a token, however fast a block of them is taken and given back", () =>
    Effect.gen(function*() {
      const one = yield* store()
      let end = 0n
      for (let turn = 0; turn < 200; turn++) {
        const lease = yield* one.claim({ resource: "blocks", tokens: 1000 })
        assert.isTrue(lease.token > end)
        end = lease.token + 999n
        yield* lease.release
      }
    }))

  it.live("removes what a dead process left, and what had to stay for a while", () =>
    Effect.gen(function*() {
      yield* store()
      const dead = "select heddle.lease_step_1('dead', 'dead', 1000, $1, $2, $3, $4, $5, $6)"
      yield* admin(dead, ["CC", ["dead", "dead"], ["dead:1", "dead:2"], [0n, 0n], [10, 10], ["", ""]])
      yield* rows("lease_waiter", "dead", 1)
      const one = yield* store()
      for (let turn = 0; turn < 100; turn++) {
        const lease = yield* one.claim({ resource: "ahead", tokens: 1000 })
        yield* lease.release
      }
      yield* rows("lease", "ahead", 0)
      yield* rows("lease", "dead", 0)
      yield* rows("lease_waiter", "dead", 0)
    }))

  it.live("keeps apart what a key could mix up", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const long = "x".repeat(500)
      const digest = `#${createHash("sha256").update(long).digest("base64url")}`
      const names = ["\0", "\\0", "\\", "\\\\", "a\0b", "ab", "#", long, `${long}x`, digest, "é", "e\u0301"]
      const leases = yield* Effect.forEach(names, (resource) => one.claim({ resource, waitFor: 0 }))
      assert.deepStrictEqual(
        (yield* Effect.forEach(names, (resource) => one.inspect(resource))).map(({ holders }) => holders[0]?.id),
        leases.map((lease) => lease.id)
      )
      yield* Effect.forEach(leases, (lease) => lease.release)
    }))
})

describe("the tables of a lease store", () => {
  it.live("are made once, also by many at once", () =>
    Effect.gen(function*() {
      const stores = yield* Effect.forEach(Array.from({ length: 8 }), () => store({ schema: "many" }), {
        concurrency: "unbounded"
      })
      const leases = yield* Effect.forEach(stores, (one) => one.tryClaim({ resource: "one" }))
      assert.strictEqual(leases.filter(Option.isSome).length, 1)
      const elsewhere = yield* Effect.flatMap(store({ schema: "Else\"where" }), (one) =>
        one.tryClaim({ resource: "one" }))
      assert.isTrue(Option.isSome(elsewhere))
    }))

  it.live("can be made by somebody else, where the app's user may not; the layer says what is missing", () =>
    Effect.gen(function*() {
      yield* admin("create role heddle_app login")
      const app = { url: server.url.replace("//postgres@", "//heddle_app@"), schema: "theirs" }
      const failing = inTime(Effect.flip(Effect.scoped(store(app))))
      assert.match((yield* failing).message, /does not let this user do that.*permission denied for database/)
      yield* admin(PostgresLeaseStore.sql("theirs"))
      assert.match((yield* failing).message, /does not let this user do that.*permission denied for schema/)
      yield* admin("grant usage on schema theirs to heddle_app")
      yield* admin("grant select, insert, update on all tables in schema theirs to heddle_app")
      assert.match((yield* failing).message, /grant usage on it, and select, insert, update, delete on all its tables/)
      yield* admin("grant delete on all tables in schema theirs to heddle_app")
      const one = yield* store(app)
      yield* Effect.flatMap(one.claim({ resource: "theirs" }), (lease) => lease.release)
    }))

  it.live("are made again when they have vanished while a store lives, where it may; else it says so", () =>
    Effect.gen(function*() {
      const one = yield* store({ schema: "vanished" })
      yield* admin("create role heddle_late login")
      const late = server.url.replace("//postgres@", "//heddle_late@")
      yield* admin("grant usage on schema vanished to heddle_late")
      yield* admin("grant all on all tables in schema vanished to heddle_late")
      const other = yield* store({ schema: "vanished", url: late })
      yield* admin("drop schema vanished cascade")
      const error = yield* inTime(Effect.flip(other.claim({ resource: "vanished" })))
      assert.match(error.message, /no longer has what the layer made in it/)
      yield* Effect.flatMap(inTime(one.claim({ resource: "vanished" })), (lease) => lease.release)
    }))
})

describe("behind a pooler of transactions", () => {
  it.live("waiters look again once in a while, and the layer says so", () =>
    Effect.gen(function*() {
      const pooler = yield* Servers.pgbouncer(server, "transaction")
      const logged: Array<unknown> = []
      const logger = Logger.make(({ message }) => {
        logged.push(message)
      })
      const one = yield* store({ url: pooler.url }).pipe(Effect.provide(Logger.layer([logger])))
      assert.include(String(logged), "directUrl")
      const other = yield* store()
      const holder = yield* other.claim({ resource: "pooled" })
      const waiter = yield* Effect.forkChild(one.claim({ resource: "pooled" }))
      yield* waiting("pooled", 1)
      yield* holder.release
      yield* Effect.flatMap(inTime(Fiber.join(waiter)), (lease) => lease.release)
    }))

  it.live("with the server's address for who listens, they are told", () =>
    Effect.gen(function*() {
      const pooler = yield* Servers.pgbouncer(server, "transaction")
      const pooled = { url: pooler.url, directUrl: server.url, heartbeat: "1 hour" } as const
      const stores = [yield* store(pooled), yield* store(pooled)] as const
      const holder = yield* stores[0].claim({ resource: "told", ttl: "1 hour" })
      const waiter = yield* Effect.forkChild(stores[1].claim({ resource: "told" }))
      yield* waiting("told", 1)
      yield* holder.release
      yield* Effect.flatMap(inTime(Fiber.join(waiter)), (lease) => lease.release)
    }))
})

const claimOf = (id: string, resource: string): LeaseBackend.Claim => ({
  id,
  resource,
  owner: "test",
  value: "",
  permits: 1,
  limit: 1,
  tokens: 1,
  ttl: 10_000,
  wait: false
})
