import { PgClient } from "@effect/sql-pg"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { Postgres } from "../src/index.ts"
import * as PostgresTest from "./PostgresTest.ts"
import { eventually, inTime } from "./PostgresTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { admin, proxy, server, url } = await Effect.runPromise(Scope.provide(PostgresTest.make, scope))

const build = (options: Partial<Postgres.Options> = {}) =>
  Effect.map(
    Layer.build(Postgres.layer({ url, commandTimeout: "2 seconds", ...options })),
    Context.get(Postgres.Postgres)
  )

const failing = (options: Partial<Postgres.Options>) => inTime(Effect.flip(Effect.scoped(build(options))))

/** Ends all sessions of the layer that say something of the kind last. */
const terminate = (last: string) =>
  admin("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'heddle' and query ilike $1", [
    last
  ])

describe("a connection to PostgreSQL", () => {
  it.live("says so when nobody listens there", () =>
    Effect.gen(function*() {
      yield* Effect.acquireRelease(proxy.refuse, () => proxy.heal)
      const error = yield* failing({})
      assert.strictEqual(error._tag, "StoreUnavailable")
      assert.match(error.message, /cannot be reached.*ECONNREFUSED/)
    }))

  it.live("says so, in time, when nobody answers there", () =>
    Effect.gen(function*() {
      yield* Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
      assert.match((yield* failing({ connectTimeout: "200 millis" })).message, /did not answer in time/)
    }))

  it.live("says so when the url is none, and keeps the password to itself", () =>
    Effect.gen(function*() {
      for (
        const wrong of ["nowhere", "http://localhost/", "postgres://u:s3cret@[::1/db", "postgres://u:s3cret@h:99999/db"]
      ) {
        const error = yield* failing({ url: wrong })
        assert.match(error.message, /no such address/)
        assert.notInclude(JSON.stringify(error), "s3cret")
      }
    }))

  it.live("says so when the login is refused, and keeps the password to itself", () =>
    Effect.gen(function*() {
      yield* admin("create role heddle_login login password 'right'")
      yield* Effect.acquireRelease(passwords("heddle_login"), () => trust)
      const login = server.url.replace("//postgres@", "//heddle_login@")
      const wrong = yield* failing({ url: login, password: Redacted.make("wr0ng") })
      assert.match(wrong.message, /refused the login/)
      assert.notInclude(JSON.stringify(wrong), "wr0ng")
      assert.match((yield* failing({ url: login })).message, /refused the login/)
      yield* build({ url: login, password: Redacted.make("right") })
      yield* build({ url: login.replace("heddle_login@", "heddle_login:right@") })
    }))

  it.live("says so when there is no such database, or it cannot be used", () =>
    Effect.gen(function*() {
      assert.match((yield* failing({ url: `${server.url}_2` })).message, /no such database/)
      yield* admin("create database latin encoding 'LATIN1' template template0")
      assert.match((yield* failing({ url: server.url.replace(/postgres$/, "latin") })).message, /UTF8/)
      const login = server.url.replace("//postgres@", "//heddle_strict@")
      yield* admin("create role heddle_strict login")
      yield* admin("alter role heddle_strict set default_transaction_isolation = 'serializable'")
      assert.match((yield* failing({ url: login })).message, /default_transaction_isolation = 'read committed'/)
      yield* admin("alter role heddle_strict reset all")
      yield* build({ url: login })
    }))

  // What the server says of itself is shadowed for one user.
  it.live("says so when the server is too old, or a standby", () =>
    Effect.gen(function*() {
      const login = server.url.replace("//postgres@", "//heddle_shadow@")
      yield* admin("create role heddle_shadow login")
      yield* admin("create schema shadow")
      yield* admin("grant usage on schema shadow to heddle_shadow")
      yield* admin("alter role heddle_shadow set search_path = shadow, pg_catalog")
      yield* admin("create function shadow.pg_is_in_recovery() returns bool language sql as 'select true'")
      assert.match((yield* failing({ url: login })).message, /is a standby: connect to the primary/)
      yield* admin(
        "create function shadow.current_setting(text) returns text language sql as 'select text ''130012'''"
      )
      assert.match((yield* failing({ url: login })).message, /is version 13: Heddle needs 14 or newer/)
    }))

  it.live("runs statements of many fibers at once, beside the app's own client", () =>
    Effect.gen(function*() {
      const postgres = yield* build()
      const app = yield* Effect.map(
        Layer.build(PgClient.layer({ url: Redacted.make(server.url), maxConnections: 1 })),
        Context.get(SqlClient)
      )
      yield* app.withTransaction(Effect.gen(function*() {
        const answers = yield* Effect.forEach(Array.from({ length: 100 }, (_, n) => n), (n) =>
          Effect.map(postgres.run("select $1::int4 + 1", [n]), ([row]) => row?.[0]), { concurrency: "unbounded" })
        assert.deepStrictEqual(
          answers,
          Array.from({ length: 100 }, (_, n) =>
            n + 1)
        )
        assert.deepStrictEqual(yield* app`select 1 as one`, [{ one: 1 }])
      }))
      const error = yield* Effect.flip(postgres.run("select nonsense"))
      assert.match(postgres.failure(error).message, /answered: .*nonsense/)
    }))

  it.live("is made anew when the server ends it, and tells", () =>
    Effect.gen(function*() {
      const postgres = yield* build()
      let ups = 0
      yield* postgres.onUp(() => ups++)
      yield* postgres.run("select 'the victim'")
      yield* terminate("%the victim%")
      yield* eventually(Effect.sync(() => ups === 1))
      yield* postgres.run("select 1")
      yield* server.restart()
      yield* eventually(Effect.sync(() => ups === 2))
      yield* postgres.run("select 1")
    }))

  it.live("is made anew when nothing comes back on it, and fails what was asked on it", () =>
    Effect.gen(function*() {
      const postgres = yield* build({ commandTimeout: "1 second" })
      let ups = 0
      yield* postgres.onUp(() => ups++)
      let silent = false
      yield* proxy.dropReply((chunk) => chunk.includes("unheard") && !silent && (silent = true))
      yield* Effect.addFinalizer(() => proxy.heal)
      const error = yield* inTime(Effect.flip(postgres.run("select 'unheard'")))
      assert.match(postgres.failure(error).message, /cannot be reached|in time/)
      yield* eventually(Effect.sync(() => ups === 1))
      yield* postgres.run("select 1")
    }))

  it.live("is not taken for silent because nobody asked anything before", () =>
    Effect.gen(function*() {
      const { run } = yield* build()
      const session = yield* run("select pg_backend_pid()")
      // Almost as long as a session may be silent, and then some more.
      yield* admin("select pg_sleep(0.9)")
      yield* run("select pg_sleep(0.4)")
      assert.deepStrictEqual(yield* run("select pg_backend_pid()"), session)
    }))

  it.live("is down at once for whoever asks again when it was ended", () =>
    Effect.gen(function*() {
      const { isUp, run } = yield* build()
      yield* Effect.flip(run("select pg_terminate_backend(pg_backend_pid())"))
      assert.isFalse(isUp())
    }))

  it.live("is found silent although nobody asked anything", () =>
    Effect.gen(function*() {
      const postgres = yield* build({ commandTimeout: "500 millis" })
      yield* Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
      yield* eventually(Effect.sync(() => !postgres.isUp()))
      const error = yield* Effect.flip(postgres.run("select 1"))
      assert.match(postgres.failure(error).message, /cannot be reached|did not answer/)
    }))

  it.live("hears notifications, and tells each time it listens again", () =>
    Effect.gen(function*() {
      const postgres = yield* build({ commandTimeout: "1 second" })
      const heard: Array<string> = []
      let ready = 0
      const listens = yield* postgres.listen("Chan\"nel", {
        message: (payload) => void heard.push(payload),
        ready: () => void ready++
      })
      assert.deepStrictEqual([listens, ready], [true, 1])
      yield* admin("select pg_notify('Chan\"nel', 'one')")
      yield* eventually(Effect.sync(() => heard.length === 1))
      yield* terminate("listen%")
      yield* eventually(Effect.sync(() => ready === 2))
      yield* admin("select pg_notify('Chan\"nel', 'two')")
      yield* eventually(Effect.sync(() => heard.length === 2))
      // Silence is noticed as well.
      yield* proxy.cut("both")
      yield* eventually(Effect.map(Effect.sync(() => postgres.isUp()), (up) => !up))
      yield* proxy.heal
      yield* eventually(Effect.sync(() => ready === 3))
      assert.deepStrictEqual(heard, ["one", "two"])
    }))

  it.live("a close ends at once, also when the server stands still", () =>
    Effect.gen(function*() {
      const own = yield* Scope.make()
      const postgres = yield* Scope.provide(build(), own)
      yield* Scope.provide(postgres.listen("still", { message: () => {}, ready: () => {} }), own)
      yield* Effect.acquireRelease(server.stop, () => Effect.orDie(server.continue))
      const asked = yield* Effect.forkChild(Effect.exit(postgres.run("select 1")), { startImmediately: true })
      yield* inTime(Scope.close(own, Exit.void))
      assert.isTrue(Exit.isFailure(yield* inTime(Fiber.join(asked))))
    }))
})

describe("a pooler in front", () => {
  it.live("of sessions is noticed, and all works through it", () =>
    Effect.gen(function*() {
      const pooler = yield* Servers.pgbouncer(server, "session")
      const postgres = yield* build({ url: pooler.url })
      assert.strictEqual(postgres.pooling, "sessions")
      assert.deepStrictEqual(yield* postgres.run("select $1::text", ["through"]), [["through"]])
      assert.isTrue(yield* postgres.listen("pooled", { message: () => {}, ready: () => {} }))
    }))

  it.live("of transactions is noticed: statements go through it, and who listens needs the server's address", () =>
    Effect.gen(function*() {
      const pooler = yield* Servers.pgbouncer(server, "transaction")
      const postgres = yield* build({ url: pooler.url })
      assert.strictEqual(postgres.pooling, "transactions")
      yield* Effect.forEach(Array.from({ length: 50 }), () => postgres.run("select $1::text", ["through"]), {
        concurrency: "unbounded"
      })
      const silent = { message: () => {}, ready: () => {} }
      assert.isFalse(yield* postgres.listen("pooled", silent))
      const direct = yield* build({ url: pooler.url, directUrl: server.url })
      const heard: Array<string> = []
      assert.isTrue(yield* direct.listen("pooled", { ...silent, message: (payload) => void heard.push(payload) }))
      yield* direct.run("select pg_notify('pooled', 'heard')")
      yield* eventually(Effect.sync(() => heard.length === 1))
    }))

  it.live("is not mistaken: without one there is none", () =>
    Effect.map(build(), ({ pooling }) => assert.strictEqual(pooling, "none")))
})

const hba = (...lines: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const [[file] = []] = yield* admin("select setting from pg_settings where name = 'hba_file'")
    yield* admin(`copy (select unnest('{${lines.map((line) => `"${line}"`).join(",")}}'::text[])) to '${String(file)}'`)
    yield* admin("select pg_reload_conf()")
  })
const trust = hba("host all all all trust")
const passwords = (user: string) =>
  Effect.andThen(
    hba(`host all ${user} all scram-sha-256`, "host all all all trust"),
    eventually(Effect.map(admin("select count(*)::int4 from pg_hba_file_rules"), ([row]) => row?.[0] === 2))
  )
