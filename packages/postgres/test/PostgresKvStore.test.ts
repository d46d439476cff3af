import * as PgConnection from "@effect/sql-pg/PgConnection"
import { afterAll, assert, beforeEach, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import { kvStoreLaws } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { KvStore } from "heddle/coordination"
import { Postgres, PostgresAdvisoryLeaseStore, PostgresKvStore, PostgresLeaseStore } from "../src/index.ts"
import { ensureTables } from "../src/internal/ensureTables.ts"
import * as Ops from "../src/internal/kvOps.ts"
import { kvNeeds, kvTables } from "../src/internal/kvSql.ts"
import { kvSteps } from "../src/internal/kvSteps.ts"
import { kvChannel } from "../src/internal/kvStepSql.ts"
import * as PostgresTest from "./PostgresTest.ts"
import { eventually, inTime } from "./PostgresTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { admin, proxy, server, url } = await Effect.runPromise(Scope.provide(PostgresTest.make, scope))

const options = { url, commandTimeout: "2 seconds" } as const
const heal = () => proxy.heal

/** Forgets all changes, as trimming does, and that of the last revision too. */
const compact = Effect.andThen(
  admin("delete from heddle.kv_log where revision < (select max(revision) from heddle.kv_log)"),
  admin("update heddle.kv_log set before = revision, key = null")
)

kvStoreLaws("postgres", PostgresKvStore.layer(options), {
  shared: true,
  compact,
  leastTtl: 1000,
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), heal)
})

type Kv = KvStore.KvStore["Service"]

const services = (more: Partial<PostgresKvStore.Options> = {}) =>
  Layer.build(Layer.fresh(PostgresKvStore.layer({ ...options, ...more })))
const store = (more: Partial<PostgresKvStore.Options> = {}) => Effect.map(services(more), Context.get(KvStore.KvStore))

/** A store that asks this often whether a notification was lost. */
const rechecking = (recheck: number) =>
  KvStore.layerOf({
    backend: "postgres",
    steps: () =>
      Effect.flatMap(Postgres.Postgres, (postgres) =>
        Effect.andThen(
          ensureTables(postgres, kvNeeds("heddle")),
          kvSteps(postgres, { schema: "heddle", history: 10_000, recheck })
        ))
  }).pipe(Layer.provide(Postgres.layer(options)), Layer.fresh, Layer.build, Effect.map(Context.get(KvStore.KvStore)))
const hour = 3_600_000

/** A store, and whether it has a session. */
const connected = (options: Postgres.Options) =>
  Effect.map(
    Layer.build(Layer.fresh(Layer.provideMerge(PostgresKvStore.layerFrom(), Postgres.layer(options)))),
    (context) => ({
      store: Context.get(context, KvStore.KvStore),
      isUp: Context.get(context, Postgres.Postgres).isUp
    })
  )

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const textAt = (on: Kv, key: string) =>
  Effect.map(on.get(key), (entry) => Option.isSome(entry) ? new TextDecoder().decode(entry.value.value) : undefined)

/** Completes when this many sessions hear of commits. */
const listening = (count: number) => eventually(Effect.map(listeners, (now) => now.length === count))
const listeners = admin("select pid from pg_stat_activity where state = 'idle' and query = $1", [
  `LISTEN "${kvChannel("heddle")}"`
])
// The session of the test before would be taken for one of this.
beforeEach(() => Effect.runPromise(listening(0)))

const terminate = (pids: ReadonlyArray<ReadonlyArray<unknown>>) =>
  admin("select pg_terminate_backend(unnest($1::int4[]))", [pids.flat()])

/** What a watch of the key tells from now on, in a fiber; completes when it listens. */
const watched = Effect.fnUntraced(function*(on: Kv, key: string, count: number) {
  const { revision } = yield* on.range(key)
  const watch = on.watch(key, { from: revision + 1n })
  const fiber = yield* Effect.forkChild(
    Stream.runCollect(Stream.take(Stream.flatMap(watch, ({ changes }) => Stream.fromIterable(changes)), count)),
    { startImmediately: true }
  )
  yield* listening(1)
  return Effect.map(
    inTime(Fiber.join(fiber)),
    (changes) =>
      changes.map((change) => change._tag === "Put" ? new TextDecoder().decode(change.entry.value) : "deleted")
  )
})

/** Counts the chunks on their way to the server that say this, from now on. */
const counting = (text: string) =>
  Effect.gen(function*() {
    const counted = { calls: 0 }
    yield* proxy.dropMatching("up", (chunk) => {
      if (chunk.includes(text)) counted.calls++
      return false
    })
    yield* Effect.addFinalizer(heal)
    return counted
  })

/** Lets the server carry out the next call that says this, and loses the answer; completes when it has done so. */
const loseAnswer = (text: string) => {
  let lost = false
  return proxy.dropReply((chunk) => chunk.includes(text) && !lost && (lost = true))
}

describe("a key-value store on PostgreSQL", () => {
  it.live("makes all commits of one tick in one call", () =>
    Effect.gen(function*() {
      const one = yield* store()
      yield* one.put("first", bytes("1"))
      const counted = yield* counting("tick-")
      const revisions = yield* Effect.forEach(Array.from({ length: 50 }), (_, n) => one.put(`tick-${n}`, bytes("1")), {
        concurrency: "unbounded"
      })
      assert.strictEqual(counted.calls, 1)
      assert.isTrue(revisions.every((revision, n) => n === 0 || revision > (revisions[n - 1] ?? 0n)))
    }))

  it.live("does not send what is interrupted before its tick is over", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const put = yield* Effect.forkChild(one.put("interrupted", bytes("1")), { startImmediately: true })
      put.interruptUnsafe()
      yield* Fiber.await(put)
      assert.isUndefined(yield* textAt(one, "interrupted"))
    }))

  it.live("makes a commit whose answer was lost once, and says that it may have", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const told = yield* watched(one, "unanswered", 2)
      const executed = yield* loseAnswer("the first value")
      const lost = yield* Effect.forkChild(Effect.flip(one.put("unanswered", bytes("the first value"))))
      yield* inTime(executed)
      yield* proxy.heal
      assert.strictEqual((yield* inTime(Fiber.join(lost)))._tag, "StoreUnavailable")
      yield* textAt(one, "unanswered")
      yield* one.put("unanswered", bytes("2"))
      assert.deepStrictEqual(yield* told, ["the first value", "2"])
    }))

  it.live("reads again when the answer was lost", () =>
    Effect.gen(function*() {
      const one = yield* store()
      yield* one.put("reading", bytes("1"))
      const executed = yield* loseAnswer("reading")
      const reading = yield* Effect.forkChild(textAt(one, "reading"))
      yield* inTime(executed)
      yield* proxy.heal
      assert.strictEqual(yield* inTime(Fiber.join(reading)), "1")
    }))

  it.live("waits for a session while it may, and then says that there is none", () =>
    Effect.gen(function*() {
      const [one, hasty] = [yield* connected(options), yield* connected({ url, commandTimeout: "200 millis" })]
      yield* Effect.addFinalizer(heal)
      yield* proxy.refuse
      yield* proxy.reset
      yield* eventually(Effect.sync(() => !one.isUp() && !hasty.isUp()))
      const waiting = yield* Effect.forkChild(one.store.put("later", bytes("1")), { startImmediately: true })
      const dropped = yield* Effect.forkChild(one.store.put("never", bytes("1")), { startImmediately: true })
      yield* Fiber.interrupt(dropped)
      const error = yield* inTime(Effect.flip(hasty.store.put("hasty", bytes("1"))))
      assert.strictEqual(error._tag, "StoreUnavailable")
      yield* proxy.heal
      yield* inTime(Fiber.join(waiting))
      assert.deepStrictEqual(
        [yield* textAt(one.store, "later"), yield* textAt(one.store, "never"), yield* textAt(one.store, "hasty")],
        ["1", undefined, undefined]
      )
    }))

  it.live("answers a server that stands still with an error, in time, and its watches go on with it", () =>
    Effect.gen(function*() {
      const one = yield* store({ commandTimeout: "500 millis" })
      const told = yield* watched(one, "paused", 1)
      yield* server.stop
      const error = yield* Effect.ensuring(inTime(Effect.flip(one.get("paused"))), Effect.orDie(server.continue))
      assert.strictEqual(error._tag, "StoreUnavailable")
      yield* inTime(Effect.retry(one.put("paused", bytes("1")), { while: (it) => it._tag === "StoreUnavailable" }))
      assert.deepStrictEqual((yield* told)[0], "1")
    }))

  it.live("gives a lease back before it closes, also when that has to wait for a session", () =>
    Effect.gen(function*() {
      const witness = yield* store()
      yield* Effect.scoped(Effect.gen(function*() {
        const one = yield* store()
        const lease = yield* one.lease({ ttl: "1 hour" })
        yield* one.put("closing", bytes("1"), { lease })
        yield* proxy.refuse
        yield* proxy.reset
        yield* eventually(Effect.map(proxy.connections, (open) => open === 0))
        yield* Effect.forkIn(Effect.delay(proxy.heal, 50), scope)
      }))
      assert.isUndefined(yield* textAt(witness, "closing"))
    }))

  it.live("keeps keys of any length and any characters apart", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const long = "\uFFFD".repeat(1000)
      const keys = [
        "\0",
        "\u0001",
        "\u0001\u0001",
        "\u0001\u0002",
        "\\0",
        "'",
        "\"{}",
        long,
        `${long}x`,
        "e\u0301",
        "é"
      ]
      for (const key of keys) yield* one.compareAndSet(key, 0n, bytes(JSON.stringify(key)))
      for (const key of keys) assert.strictEqual(yield* textAt(one, key), JSON.stringify(key))
      const { entries } = yield* one.range("\u0001")
      assert.deepStrictEqual(entries.map(({ key }) => key), ["\u0001", "\u0001\u0001", "\u0001\u0002"])
    }))

  it.live("refuses a lease of another store, whatever its id is", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const lease = yield* one.lease()
      for (const id of ["1", "not a number", "9".repeat(30), "-1"]) {
        const foreign = { ...lease, id, isAlive: () => true }
        const error = yield* Effect.flip(one.put("foreign", bytes("1"), { lease: foreign }))
        assert.deepInclude(error, { _tag: "LeaseLost", resource: `lease ${id}` })
      }
    }))

  it.live("says that the server has become a standby", () =>
    Effect.gen(function*() {
      yield* admin("create role heddle_standby login superuser")
      const one = yield* store({ url: server.url.replace("//postgres@", "//heddle_standby@") })
      yield* admin("create schema standby")
      yield* admin("create function standby.pg_is_in_recovery() returns bool language sql as 'select true'")
      // What the server says of itself is shadowed for one user, whose session is made anew.
      yield* admin("alter role heddle_standby set search_path = standby, pg_catalog")
      yield* Effect.flatMap(admin("select pid from pg_stat_activity where usename = 'heddle_standby'"), terminate)
      const refused = one.get("standby").pipe(
        Effect.flip,
        Effect.filterOrFail(({ message }) => /is read-only: connect to the primary/.test(message))
      )
      yield* inTime(Effect.retry(refused, { times: 100 }))
    }))
})

describe("the tables of a key-value store on PostgreSQL", () => {
  it.live("are made once, also by many at once, and beside those of other stores", () =>
    Effect.gen(function*() {
      const every = { ...options, schema: "Every\"body" }
      yield* Layer.build(Layer.mergeAll(
        PostgresLeaseStore.layer(every),
        PostgresAdvisoryLeaseStore.layer(every),
        PostgresKvStore.layer(every)
      ))
      const stores = yield* Effect.forEach(Array.from({ length: 8 }), () => store({ schema: "x".repeat(63) }), {
        concurrency: "unbounded"
      })
      const puts = yield* Effect.forEach(stores, (one) => Effect.exit(one.compareAndSet("one", 0n, bytes("1"))))
      assert.strictEqual(puts.filter(Exit.isSuccess).length, 1)
      const elsewhere = yield* store(every)
      assert.isUndefined(yield* textAt(elsewhere, "one"))
      const told = yield* Effect.forkChild(Stream.runHead(elsewhere.watchPrefix("", { from: 1n })))
      yield* inTime(Effect.flip(Fiber.join(told)))
    }))

  it.live("can be made by somebody else, where the app's user may not; the layer says what is missing", () =>
    Effect.gen(function*() {
      yield* admin("create role heddle_keys login")
      const app = { url: server.url.replace("//postgres@", "//heddle_keys@"), schema: "theirs" }
      const failing = inTime(Effect.flip(Effect.scoped(store(app))))
      assert.match((yield* failing).message, /does not let this user do that.*permission denied for database/)
      yield* admin(PostgresKvStore.sql("theirs"))
      assert.match((yield* failing).message, /does not let this user do that.*permission denied for schema/)
      yield* admin("grant usage on schema theirs to heddle_keys")
      yield* admin("grant select, insert, update on all tables in schema theirs to heddle_keys")
      assert.match((yield* failing).message, /grant usage on it, and select, insert, update, delete on all its tables/)
      yield* admin("grant delete on all tables in schema theirs to heddle_keys")
      const one = yield* store(app)
      const lease = yield* one.lease()
      yield* one.put("theirs", bytes("1"), { lease })
      yield* lease.release
      yield* one.put("theirs", bytes("2"), { ttl: 10 })
      const from = yield* one.put("theirs", bytes("3"))
      assert.isTrue(Option.isSome(yield* inTime(Stream.runHead(one.watch("theirs", { from })))))
      assert.isTrue(yield* one.delete("theirs"))
    }))

  it.live("are made again when they have vanished while a store lives, and who watched is told", () =>
    Effect.gen(function*() {
      const one = yield* store({ schema: "vanished" })
      const before = yield* one.put("vanished", bytes("1"))
      const watch = one.watch("vanished", { from: before })
      const seen: Array<bigint> = []
      const watching = yield* Effect.forkChild(
        Effect.flip(Stream.runForEach(watch, ({ revision }) => Effect.sync(() => seen.push(revision)))),
        { startImmediately: true }
      )
      yield* eventually(Effect.sync(() => seen.length === 1))
      yield* admin("drop schema vanished cascade")
      assert.isTrue((yield* one.put("vanished", bytes("2"))) > before)
      assert.strictEqual((yield* inTime(Fiber.join(watching)))._tag, "Compacted")
    }))

  it.live("are missed where the user may not make them again", () =>
    Effect.gen(function*() {
      yield* admin(PostgresKvStore.sql("missed"))
      yield* admin("create role heddle_gone login")
      yield* admin("grant usage on schema missed to heddle_gone")
      yield* admin("grant all on all tables in schema missed to heddle_gone")
      const one = yield* store({ schema: "missed", url: server.url.replace("//postgres@", "//heddle_gone@") })
      yield* admin("drop schema missed cascade")
      const errors = [
        yield* Effect.flip(one.get("missed")),
        yield* Effect.flip(one.put("missed", bytes("2"))),
        yield* inTime(Effect.flip(Stream.runHead(one.watch("missed"))))
      ]
      for (const { message } of errors) assert.match(message, /no longer has what the layer made in it/)
    }))

  it.live("have no room for a history that means nothing", () =>
    Effect.gen(function*() {
      for (const history of [0, -1, 1.5, NaN, Infinity, 2e9]) {
        const error = yield* Effect.flip(store({ history }))
        assert.match(error.message, /history must be a whole number from 1 to 1,000,000,000/)
      }
    }))

  it.live("do not grow with the ttls of a key that is written again and again", () =>
    Effect.gen(function*() {
      const one = yield* store({ schema: "again", history: 10 })
      for (let n = 0; n < 50; n++) yield* one.put("key", bytes("1"), { ttl: "400 days" })
      yield* one.delete("key")
      const counts = yield* Effect.forEach(kvTables, (table) => admin(`select count(*)::int4 from again.${table}`))
      assert.deepStrictEqual(counts.flat(2), [0, 0, 10])
    }))
})

/** Writes a key in a transaction that ends with the scope that is given back, or is committed. */
const uncommitted = (key: string, value: string) =>
  Effect.gen(function*() {
    const session = yield* PgConnection.make({ url: Redacted.make(server.url) })
    yield* session.query("begin", [], false)
    const put = { _tag: "Put", key, value: bytes(value), lease: undefined, ttl: undefined } as const
    const params = [10_000, 1000, ...Ops.encode([{ args: Ops.commit({ checks: [], writes: [put] }) }])]
    yield* session.queryValues("select * from heddle.kv_step_1($1, $2, $3, $4, $5)", params)
    return session.query("commit", [], false)
  })

const locked = (count: number) =>
  eventually(
    Effect.map(
      admin(
        "select count(*)::int4 from pg_locks where locktype = 'advisory' and not granted and objsubid = 1"
      ),
      ([row]) => row?.[0] === count
    )
  )

describe("the revisions of a key-value store on PostgreSQL", () => {
  it.live("come to light in their order, also when the earlier one takes longer to commit", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store(), yield* store()]
      const { revision } = yield* one.range("order-")
      const watching = yield* Effect.forkChild(
        Stream.runCollect(Stream.take(one.watchPrefix("order-", { from: revision + 1n }), 2)),
        { startImmediately: true }
      )
      yield* listening(1)
      const commit = yield* uncommitted("order-1", "slow")
      const put = yield* Effect.forkChild(other.put("order-2", bytes("fast")))
      yield* locked(1)
      // Who reads does not wait.
      assert.isUndefined(yield* textAt(one, "order-1"))
      yield* commit
      yield* inTime(Fiber.join(put))
      const told = yield* inTime(Fiber.join(watching))
      assert.deepStrictEqual(
        told.map(({ changes: [change] }) => change._tag === "Put" ? change.entry.key : ""),
        ["order-1", "order-2"]
      )
    }))

  it.live("wait for each other no longer than they may: what was undone for that is tried again", () =>
    Effect.gen(function*() {
      const one = yield* store({ commandTimeout: "8 seconds" })
      const hasty = yield* store({ commandTimeout: "500 millis" })
      yield* one.put("hung", bytes("0"))
      const commit = yield* uncommitted("hung", "1")
      const counted = yield* counting("tried again")
      const put = yield* Effect.forkChild(one.put("hung", bytes("tried again")))
      const error = yield* inTime(Effect.flip(hasty.put("hung", bytes("never"))))
      assert.strictEqual(error._tag, "StoreUnavailable")
      yield* eventually(Effect.sync(() => counted.calls === 2))
      yield* commit
      yield* inTime(Fiber.join(put))
      assert.strictEqual(yield* textAt(one, "hung"), "tried again")
    }))

  it.live("are not given again when a failover undoes the last, and who saw them is told", () =>
    Effect.gen(function*() {
      const one = yield* rechecking(hour)
      yield* one.put("undone", bytes("1"))
      const watch = one.watch("undone", { from: (yield* one.range("undone")).revision + 1n })
      const seen: Array<bigint> = []
      const watching = yield* Effect.forkChild(
        Effect.flip(Stream.runForEach(watch, ({ revision }) => Effect.sync(() => seen.push(revision)))),
        { startImmediately: true }
      )
      yield* listening(1)
      yield* admin("create schema kept")
      for (const table of kvTables) yield* admin(`create table kept.${table} as table heddle.${table}`)
      const undone = yield* one.put("undone", bytes("2"))
      yield* eventually(Effect.sync(() => seen.length === 1))
      // At once: the watch reads at any time.
      const back = kvTables.map((table) =>
        `delete from heddle.${table}; insert into heddle.${table} select * from kept.${table}`
      )
      yield* admin(`do $$ begin ${back.join("; ")}; end $$`)
      const conflict = yield* Effect.flip(one.compareAndSet("undone", undone, bytes("3")))
      assert.strictEqual(conflict._tag, "Conflict")
      assert.isTrue((yield* one.put("undone", bytes("4"))) > undone)
      const error = yield* inTime(Fiber.join(watching))
      assert.deepInclude(error, { _tag: "Compacted", requested: undone + 1n })
      assert.deepStrictEqual(seen, [undone])
    }))

  it.live("grow also when the log is lost, and who watched is told", () =>
    Effect.gen(function*() {
      const one = yield* store({ schema: "lost" })
      const before = yield* one.put("lost", bytes("1"))
      yield* admin("truncate lost.kv_log")
      const error = yield* inTime(Effect.flip(Stream.runHead(one.watch("lost", { from: before }))))
      assert.strictEqual(error._tag, "Compacted")
      assert.isTrue((yield* one.put("lost", bytes("2"))) > before)
      assert.strictEqual(yield* textAt(one, "lost"), "2")
    }))

  it.live("are kept for who watches as long as the history says, and not much longer", () =>
    Effect.gen(function*() {
      const one = yield* store({ history: 50, schema: "short" })
      const revisions = yield* Effect.forEach(Array.from({ length: 400 }), (_, n) => one.put("key", bytes(`${n}`)), {
        concurrency: "unbounded"
      })
      const [from = 0n] = revisions.slice(-50)
      const error = yield* Effect.flip(Stream.runHead(one.watch("key", { from: revisions[0] ?? 0n })))
      if (error._tag !== "Compacted") return assert.fail(String(error))
      assert.isTrue(revisions[0] !== undefined && error.oldest > revisions[0] && error.oldest <= from)
      const oldest = yield* Effect.flatMap(Stream.runHead(one.watch("key", { from: error.oldest })), Effect.fromOption)
      assert.isTrue(oldest.revision >= error.oldest)
      const last = yield* Stream.runCollect(Stream.take(one.watch("key", { from }), 50))
      assert.deepStrictEqual(last.map(({ revision }) => revision), revisions.slice(-50))
    }))

  it.live("number one commit a lease, however many keys it had", () =>
    Effect.gen(function*() {
      const context = yield* services({ schema: "crowded", history: 1 })
      const [one, { transact }] = [Context.get(context, KvStore.KvStore), Context.get(context, KvStore.KvTransactions)]
      const lease = yield* one.lease({ ttl: "1 hour" })
      yield* Effect.forEach(Array.from({ length: 150 }), (_, n) =>
        transact({
          writes: Array.from({ length: 100 }, (_, m) => ({
            _tag: "Put",
            key: `${n * 100 + m}`,
            value: bytes("1"),
            lease
          }))
        }))
      const { entries, more, revision } = yield* one.range("", { limit: 10_000 })
      assert.deepStrictEqual([entries.length, more], [10_000, true])
      yield* lease.release
      const gone = yield* inTime(Stream.runHead(one.watchPrefix("", { from: revision + 1n })))
      assert.strictEqual(Option.isSome(gone) && gone.value.changes.length, 15_000)
      assert.strictEqual((yield* one.range("")).entries.length, 0)
      yield* one.put("last", bytes("1"))
      assert.deepStrictEqual(yield* admin("select key from crowded.kv_log"), [["last"]])
    }))
})

describe("a watch on PostgreSQL", () => {
  it.live("is told of the end of a lease although nobody calls", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* rechecking(hour), yield* rechecking(hour)]
      yield* Effect.forEach([one, other], (on) => on.put("silent", bytes("0")))
      const told = yield* watched(one, "silent", 2)
      yield* other.put("silent", bytes("1"), { ttl: 50 })
      assert.deepStrictEqual(yield* told, ["1", "deleted"])
    }))

  it.live("is told of the end of a lease that was there before it", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* rechecking(hour), yield* rechecking(hour)]
      const from = (yield* other.put("there", bytes("1"), { ttl: 500 })) + 1n
      const ended = yield* Effect.flatMap(inTime(Stream.runHead(one.watch("there", { from }))), Effect.fromOption)
      assert.deepStrictEqual(ended.changes, [{ _tag: "Delete", key: "there" }])
    }))

  it.live("is told of a commit that changes many keys, or such as no notification could name", () =>
    Effect.gen(function*() {
      const one = yield* rechecking(hour)
      const { transact } = Context.get(yield* services(), KvStore.KvTransactions)
      const told = yield* watched(one, "crowd-7", 2)
      yield* one.put("crowd", bytes("0"))
      const put = (key: string, value: string) => ({ _tag: "Put" as const, key, value: bytes(value) })
      yield* transact({ writes: Array.from({ length: 50 }, (_, n) => put(`crowd-${n}`, `${n}`)) })
      const long = Array.from({ length: 5 }, (_, n) => put(`${n}`.padEnd(1024, "\uFFFD"), "long"))
      yield* transact({ writes: [...long, put("crowd-7", "and long ones")] })
      assert.deepStrictEqual(yield* told, ["7", "and long ones"])
    }))

  it.live("tells nothing before the revision that it is to begin with", () =>
    Effect.gen(function*() {
      const one = yield* rechecking(hour)
      const from = (yield* one.put("future", bytes("0"))) + 200_000n
      const watching = yield* Effect.forkChild(Stream.runHead(one.watch("future", { from })), {
        startImmediately: true
      })
      yield* listening(1)
      const next: Effect.Effect<bigint, KvStore.WriteError> = Effect.flatMap(
        one.put("future", bytes("1")),
        (revision) => revision < from ? next : Effect.succeed(revision)
      )
      const expected = yield* next
      const found = yield* Effect.flatMap(inTime(Fiber.join(watching)), Effect.fromOption)
      assert.strictEqual(found.revision, expected)
    }))

  it.live("may begin at a revision that will never be", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const watching = yield* Effect.forkChild(Stream.runHead(one.watch("never", { from: 2n ** 100n })), {
        startImmediately: true
      })
      yield* listening(1)
      yield* one.put("never", bytes("1"))
      assert.isUndefined(watching.pollUnsafe())
      assert.strictEqual((yield* Effect.flip(one.compareAndDelete("never", 2n ** 100n)))._tag, "Conflict")
    }))

  it.live("reads once for what concerns it, and never for what does not", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* rechecking(hour), yield* rechecking(hour)]
      yield* other.put("concern", bytes("0"))
      const told = yield* watched(one, "concern", 1)
      const counted = yield* counting("concern")
      for (let n = 0; n < 20; n++) yield* other.put(`other-${n}`, bytes("1"))
      yield* other.put("concern", bytes("1"))
      assert.deepStrictEqual(yield* told, ["1"])
      // The put, what it is read by, and the first reading where that came after the count began.
      assert.isAtMost(counted.calls, 3)
    }))

  it.live("finds what a lost notification would have told", () =>
    Effect.gen(function*() {
      const one = yield* rechecking(50)
      const told = yield* watched(one, "push", 1)
      yield* Effect.acquireRelease(
        proxy.dropMatching("down", (chunk) => chunk.includes(kvChannel("heddle"))),
        heal
      )
      yield* one.put("push", bytes("1"))
      assert.deepStrictEqual(yield* told, ["1"])
    }))

  it.live("finds what a lost notification would have told by the next one, whatever that is about", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* rechecking(hour), yield* rechecking(hour)]
      const told = yield* watched(one, "chain-a", 1)
      const dropped = yield* proxy.dropMatching(
        "down",
        (chunk) => chunk.includes(kvChannel("heddle")) && chunk.includes("chain-a")
      )
      yield* Effect.addFinalizer(heal)
      yield* other.put("chain-a", bytes("1"))
      yield* inTime(dropped)
      yield* other.put("chain-b", bytes("1"))
      assert.deepStrictEqual(yield* told, ["1"])
    }))

  it.live("misses nothing when it is far behind, be it in revisions or in bytes", () =>
    Effect.gen(function*() {
      const one = yield* rechecking(hour)
      const numbers = Array.from({ length: 5000 }, (_, n) => n)
      const [from = 0n] = yield* Effect.forEach(
        numbers,
        (n) => one.put(n % 50 === 0 ? "far" : "near", bytes(`${n}`)),
        { concurrency: 500 }
      )
      const large = Array.from({ length: 8 }, (_, n) => new Uint8Array(700_000).fill(n))
      yield* Effect.forEach(large, (value) => one.put("far", value))
      const told = yield* inTime(Stream.runCollect(Stream.take(one.watch("far", { from }), 108)))
      const values = told.map(({ changes: [change] }) => change._tag === "Put" ? change.entry.value : bytes(""))
      assert.deepStrictEqual(
        values.slice(0, 100).map((value) => new TextDecoder().decode(value)),
        numbers.filter((n) => n % 50 === 0).map(String)
      )
      assert.deepStrictEqual(
        values.slice(100).map((value) => [value.length, value[0]]),
        large.map((_, n) => [700_000, n])
      )
    }))

  it.live("hears again after the session that listens was ended", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* rechecking(hour), yield* rechecking(hour)]
      const told = yield* watched(one, "subscription", 2)
      yield* other.put("subscription", bytes("1"))
      const before = yield* listeners
      yield* terminate(before)
      yield* eventually(Effect.map(listeners, (now) => now.length === 1 && now[0]?.[0] !== before[0]?.[0]))
      yield* other.put("subscription", bytes("2"))
      assert.deepStrictEqual(yield* told, ["1", "2"])
    }))

  it.live("opens while there is no server, shares one session with others, and leaves it when nobody watches", () =>
    Effect.gen(function*() {
      const one = yield* rechecking(hour)
      const from = yield* one.put("opening", bytes("1"))
      yield* proxy.refuse
      yield* proxy.reset
      yield* eventually(Effect.map(proxy.connections, (open) => open === 0))
      const watching = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 5 }),
          () => Stream.runHead(Stream.drop(one.watch("opening", { from }), 1)),
          {
            concurrency: "unbounded"
          }
        ),
        { startImmediately: true }
      )
      yield* proxy.heal
      yield* listening(1)
      yield* inTime(Effect.retry(one.put("opening", bytes("2")), { while: (it) => it._tag === "StoreUnavailable" }))
      assert.isTrue((yield* inTime(Fiber.join(watching))).every(Option.isSome))
      yield* listening(0)
    }))

  it.live("misses nothing while its sessions are ended", () =>
    Effect.gen(function*() {
      const one = yield* rechecking(hour)
      const told = yield* watched(one, "killed", 300)
      const insist = (value: string, at: bigint): Effect.Effect<bigint> =>
        one.compareAndSet("killed", at, bytes(value)).pipe(
          Effect.catchTag("Conflict", ({ actual }) => Effect.succeed(actual)),
          Effect.catch(() => insist(value, at))
        )
      const writing = yield* Effect.forkChild(Effect.gen(function*() {
        let at = Option.match(yield* one.get("killed"), { onNone: () => 0n, onSome: (entry) => entry.revision })
        for (let n = 0; n < 300; n++) at = yield* insist(`${n}`, at)
      }))
      yield* Effect.forEach([1, 2, 3], () =>
        Effect.andThen(
          Effect.flatMap(admin("select pid from pg_stat_activity where application_name = 'heddle'"), terminate),
          listening(1)
        ))
      yield* inTime(Fiber.join(writing))
      assert.deepStrictEqual(yield* told, Array.from({ length: 300 }, (_, n) => `${n}`))
    }))
})

describe("a key-value store behind a pooler of transactions", () => {
  it.live("works, looks again once in a while for who watches, and says so", () =>
    Effect.gen(function*() {
      const pooler = yield* Servers.pgbouncer(server, "transaction")
      const logged: Array<unknown> = []
      const logger = Logger.make(({ message }) => {
        logged.push(message)
      })
      const [one, other] = [yield* store({ url: pooler.url }), yield* store()]
      const from = (yield* one.put("pooled", bytes("1"))) + 1n
      const watching = yield* Effect.forkChild(
        Stream.runHead(one.watch("pooled", { from })).pipe(Effect.provide(Logger.layer([logger]))),
        { startImmediately: true }
      )
      yield* eventually(Effect.sync(() => String(logged).includes("directUrl")))
      yield* other.put("pooled", bytes("2"))
      assert.isTrue(Option.isSome(yield* inTime(Fiber.join(watching))))
    }))

  it.live("tells who watches at once, with the server's address for who listens", () =>
    Effect.gen(function*() {
      const pooler = yield* Servers.pgbouncer(server, "transaction")
      const pooled = { url: pooler.url, directUrl: server.url } as const
      const [one, other] = [yield* store(pooled), yield* store(pooled)]
      const told = yield* watched(one, "directly", 1)
      yield* other.put("directly", bytes("1"))
      assert.deepStrictEqual(yield* told, ["1"])
    }))
})
