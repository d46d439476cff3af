import { assert, describe, it, layer } from "@effect/vitest"
import { FaultProxy, type Server, Servers } from "@heddle/testkit"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { Etcd, type EtcdError, EtcdOp } from "../src/index.ts"

class TestEtcd extends Context.Service<TestEtcd, Server.Server>()("test/Etcd") {
  static readonly layer = Layer.effect(TestEtcd, Servers.etcd)
}

const connected = Layer.unwrap(Effect.map(TestEtcd, ({ url }) => Etcd.layer({ url }))).pipe(
  Layer.provideMerge(TestEtcd.layer)
)

const connect = (options: Etcd.Options) => Effect.map(Layer.build(Etcd.layer(options)), Context.get(Etcd.Etcd))

/** The gateway of etcd that takes JSON, for what the client does not offer. */
const gateway = (url: string, path: string, body: object) =>
  Effect.promise(async () => {
    const response = await fetch(`${url}/v3/${path}`, { method: "POST", body: JSON.stringify(body) })
    const text = await response.text()
    assert.isTrue(response.ok, text)
  })

const compact = (url: string, revision: bigint) => gateway(url, "kv/compaction", { revision: String(revision) })

/** The next `count` events of a watch; one batch may hold several revisions. */
const take = (watch: Etcd.Watch, count: number) =>
  Effect.gen(function*() {
    const events: Array<string> = []
    while (events.length < count) {
      const batch = yield* Queue.take(watch.batches)
      for (const { kv, type } of batch.events) events.push(`${type} ${EtcdOp.text(kv.key)} ${EtcdOp.text(kv.value)}`)
    }
    return events
  })

const reason = (error: EtcdError.EtcdError | EtcdError.Compacted) =>
  error._tag === "EtcdError" ? error.reason : error._tag

const untilServed = <A>(call: Effect.Effect<A, EtcdError.EtcdError>) =>
  Effect.retry(call, {
    while: ({ reason }) => reason === "Unavailable" || reason === "DeadlineExceeded",
    schedule: Schedule.spaced("20 millis")
  })

// A real server keeps real time.
layer(connected, { excludeTestServices: true })("Etcd", (it) => {
  describe("keys", () => {
    it.effect("what was put is read, replaced and deleted", () =>
      Effect.gen(function*() {
        const etcd = yield* Etcd.Etcd
        const first = yield* etcd.put({ key: "keys/a", value: "1" })
        const second = yield* etcd.put({ key: "keys/a", value: new Uint8Array([255, 0]), prevKv: true })
        assert.strictEqual(second.prevKv && EtcdOp.text(second.prevKv.value), "1")
        const read = yield* etcd.range({ key: "keys/a" })
        assert.deepStrictEqual(
          read.kvs.map((kv) => [EtcdOp.text(kv.key), [...kv.value], kv.createRevision, kv.modRevision, kv.version]),
          [["keys/a", [255, 0], first.revision, second.revision, 2n]]
        )
        const old = yield* etcd.range({ key: "keys/a", revision: first.revision })
        assert.deepStrictEqual(old.kvs.map((kv) => EtcdOp.text(kv.value)), ["1"])
        const deleted = yield* etcd.deleteRange({ key: "keys/a", prevKv: true })
        assert.deepStrictEqual([deleted.deleted, deleted.prevKvs.length], [1n, 1])
        assert.deepStrictEqual((yield* etcd.range({ key: "keys/a" })).kvs, [])
      }))

    it.effect("a prefix reads its keys alone, in the order and number that was asked for", () =>
      Effect.gen(function*() {
        const etcd = yield* Etcd.Etcd
        yield* Effect.forEach(["p/2", "p/1", "p/3", "q", "p"], (key) => etcd.put({ key, value: "" }))
        const keys = (request: Partial<EtcdOp.RangeRequest>) =>
          Effect.map(
            etcd.range({ ...EtcdOp.prefix("p/"), ...request }),
            ({ kvs, more }) => [...kvs.map((kv) => EtcdOp.text(kv.key)), more]
          )
        assert.deepStrictEqual(yield* keys({}), ["p/1", "p/2", "p/3", false])
        assert.deepStrictEqual(yield* keys({ sortBy: "createRevision", limit: 2 }), ["p/2", "p/1", true])
        assert.deepStrictEqual(yield* keys({ sortBy: "createRevision", descending: true }), [
          "p/3",
          "p/1",
          "p/2",
          false
        ])
      }))

    it("the end of a prefix is its successor in the order of bytes", () => {
      const ends = (start: EtcdOp.Bytes) => {
        const { key, rangeEnd } = EtcdOp.prefix(start)
        return [[...Buffer.from(key)], [...Buffer.from(rangeEnd ?? "none")]]
      }
      assert.deepStrictEqual(ends("ab"), [[97, 98], [97, 99]])
      assert.deepStrictEqual(ends(Uint8Array.of(97, 255, 255)), [[97, 255, 255], [98]])
      assert.deepStrictEqual(ends(Uint8Array.of(255)), [[255], [0]])
      assert.deepStrictEqual(ends(""), [[0], [0]])
    })
  })

  describe("txn", () => {
    it.effect("takes a place in a line and reads the line in one step, and only once", () =>
      Effect.gen(function*() {
        const etcd = yield* Etcd.Etcd
        const line = EtcdOp.range({ ...EtcdOp.prefix("line/"), sortBy: "createRevision", limit: 9 })
        const enter = (id: string) =>
          etcd.txn({
            compare: [EtcdOp.compare(`line/${id}`, "createRevision", "=", 0n)],
            success: [EtcdOp.put({ key: `line/${id}`, value: id }), line],
            failure: [EtcdOp.range({ key: `line/${id}` }), line]
          })
        yield* enter("b")
        const entered = yield* enter("a")
        assert.isTrue(entered.succeeded)
        assert.deepStrictEqual(entered.responses[1].kvs.map((kv) => EtcdOp.text(kv.value)), ["b", "a"])
        const again = yield* enter("a")
        if (again.succeeded) return assert.fail("entered twice")
        assert.strictEqual(again.responses[0].kvs[0]?.createRevision, entered.revision)
        assert.strictEqual(again.responses[1].count, 2n)
      }))

    it.effect("compares every property of a key", () =>
      Effect.gen(function*() {
        const etcd = yield* Etcd.Etcd
        const lease = yield* etcd.leaseGrant("1 minute")
        const { revision } = yield* etcd.put({ key: "compared", value: "v", lease: lease.id })
        const holds = (...compare: ReadonlyArray<EtcdOp.Compare>) =>
          Effect.map(etcd.txn({ compare }), ({ succeeded }) => succeeded)
        assert.isTrue(
          yield* holds(
            EtcdOp.compare("compared", "createRevision", "=", revision),
            EtcdOp.compare("compared", "modRevision", "<", revision + 1n),
            EtcdOp.compare("compared", "version", ">", 0n),
            EtcdOp.compare("compared", "lease", "!=", 0n),
            EtcdOp.compareValue("compared", "=", "v")
          )
        )
        assert.isFalse(yield* holds(EtcdOp.compare("compared", "lease", "=", 0n)))
        assert.isFalse(yield* holds(EtcdOp.compareValue("compared", "!=", "v")))
        assert.isFalse(yield* holds(EtcdOp.compareValue("no such key", "=", "")))
      }))
  })

  describe("leases", () => {
    it.effect("a lease that nobody keeps alive ends, and a watch sees its keys go", () =>
      Effect.gen(function*() {
        const etcd = yield* Etcd.Etcd
        const lease = yield* etcd.leaseGrant("1 second")
        const { revision } = yield* etcd.put({ key: "leased", value: "x", lease: lease.id })
        const watch = yield* etcd.watch({ key: "leased", startRevision: revision + 1n })
        assert.deepStrictEqual(yield* take(watch, 1), ["delete leased "])
        const error = yield* Effect.flip(etcd.leaseKeepAlive(lease.id))
        assert.strictEqual(error.reason, "NotFound")
      }))

    it.effect("keeping alive answers with the ttl and with the instant it was asked", () =>
      Effect.gen(function*() {
        const etcd = yield* Etcd.Etcd
        const granted = yield* etcd.leaseGrant("59.5 seconds")
        assert.strictEqual(Duration.toSeconds(granted.ttl), 60)
        const before = performance.now()
        const [kept, also] = yield* Effect.all([etcd.leaseKeepAlive(granted.id), etcd.leaseKeepAlive(granted.id)], {
          concurrency: 2
        })
        assert.isTrue(before <= kept.sentAt && kept.sentAt <= also.sentAt && also.sentAt <= performance.now())
        assert.deepStrictEqual([kept.id, kept.ttl], [granted.id, granted.ttl])
      }))

    it.effect("a revoked lease takes its keys along, and is not found", () =>
      Effect.gen(function*() {
        const etcd = yield* Etcd.Etcd
        const { id } = yield* etcd.leaseGrant("1 minute")
        yield* etcd.put({ key: "revoked", value: "x", lease: id })
        yield* etcd.leaseRevoke(id)
        assert.strictEqual((yield* etcd.range({ key: "revoked" })).count, 0n)
        const errors = [
          yield* Effect.flip(etcd.leaseRevoke(id)),
          yield* Effect.flip(etcd.leaseKeepAlive(id)),
          yield* Effect.flip(etcd.put({ key: "revoked", value: "x", lease: id }))
        ]
        assert.deepStrictEqual(errors.map((error) => error.reason), ["NotFound", "NotFound", "NotFound"])
      }))
  })

  describe("watch", () => {
    it.effect("two watches see their own keys, from the revision they asked for", () =>
      Effect.gen(function*() {
        const etcd = yield* Etcd.Etcd
        const { revision } = yield* etcd.put({ key: "w/1/a", value: "0" })
        const one = yield* etcd.watch({ ...EtcdOp.prefix("w/1/"), startRevision: revision })
        const two = yield* etcd.watch({ ...EtcdOp.prefix("w/2/"), only: "delete", prevKv: true })
        yield* etcd.put({ key: "w/2/b", value: "1" })
        yield* etcd.txn({ success: [EtcdOp.put({ key: "w/1/a", value: "2" }), EtcdOp.deleteRange({ key: "w/2/b" })] })
        assert.deepStrictEqual(yield* take(one, 2), ["put w/1/a 0", "put w/1/a 2"])
        const { events } = yield* Queue.take(two.batches)
        assert.deepStrictEqual(events.map(({ prevKv, type }) => [type, prevKv && EtcdOp.text(prevKv.value)]), [[
          "delete",
          "1"
        ]])
      }))

    it.effect("all changes of one revision come together", () =>
      Effect.gen(function*() {
        const etcd = yield* Etcd.Etcd
        const watch = yield* etcd.watch(EtcdOp.prefix("together/"))
        const { revision } = yield* etcd.txn({
          success: [EtcdOp.put({ key: "together/a", value: "" }), EtcdOp.put({ key: "together/b", value: "" })]
        })
        const batch = yield* Queue.take(watch.batches)
        assert.deepStrictEqual([batch.revision, batch.events.length], [revision, 2])
      }))

    it.effect("a watch ends with its scope", () =>
      Effect.gen(function*() {
        const etcd = yield* Etcd.Etcd
        const ended = yield* Effect.scoped(etcd.watch({ key: "ended" }))
        const exit = yield* Effect.exit(Queue.take(ended.batches))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      }))

    it.effect("a watch of what is compacted says so", () =>
      Effect.gen(function*() {
        const etcd = yield* Etcd.Etcd
        const { revision } = yield* etcd.put({ key: "compacted", value: "0" })
        const last = yield* etcd.put({ key: "compacted", value: "1" })
        yield* compact((yield* TestEtcd).url, last.revision)
        const error = yield* etcd.watch({ key: "compacted", startRevision: revision }).pipe(
          Effect.flatMap((watch) => take(watch, 1)),
          Effect.flip
        )
        assert.deepStrictEqual([error._tag, error._tag === "Compacted" && error.compactRevision], [
          "Compacted",
          last.revision
        ])
        const read = yield* Effect.flip(etcd.range({ key: "compacted", revision }))
        assert.strictEqual(read.reason, "Compacted")
      }))
  })

  describe("a broken connection", () => {
    const broken = Effect.gen(function*() {
      const { host, port, url } = yield* TestEtcd
      const proxy = yield* FaultProxy.make({ host, port })
      const etcd = yield* connect({ url: `http://${proxy.host}:${proxy.port}` })
      return { url, proxy, etcd, direct: yield* Etcd.Etcd, cut: Effect.andThen(proxy.refuse, proxy.reset) }
    })

    it.effect("a watch goes on from the first change that it has not reported", () =>
      Effect.gen(function*() {
        const { cut, direct, etcd, proxy } = yield* broken
        const watch = yield* etcd.watch({ key: "resumed" })
        yield* direct.put({ key: "resumed", value: "1" })
        assert.deepStrictEqual(yield* take(watch, 1), ["put resumed 1"])
        yield* cut
        yield* direct.put({ key: "resumed", value: "2" })
        yield* direct.put({ key: "resumed", value: "3" })
        yield* proxy.heal
        const missed = yield* take(watch, 2)
        yield* direct.put({ key: "resumed", value: "4" })
        assert.deepStrictEqual([...missed, ...(yield* take(watch, 1))], [
          "put resumed 2",
          "put resumed 3",
          "put resumed 4"
        ])
      }))

    it.effect("a watch whose next change was compacted meanwhile fails and skips nothing", () =>
      Effect.gen(function*() {
        const { cut, direct, etcd, proxy, url } = yield* broken
        const watch = yield* etcd.watch({ key: "skipped" })
        yield* cut
        yield* direct.put({ key: "skipped", value: "1" })
        const last = yield* direct.put({ key: "skipped", value: "2" })
        yield* compact(url, last.revision)
        yield* proxy.heal
        const error = yield* Effect.flip(Queue.take(watch.batches))
        assert.strictEqual(error._tag, "Compacted")
      }))

    it.effect("a renewal is sent again on the next connection", () =>
      Effect.gen(function*() {
        const { cut, etcd, proxy } = yield* broken
        const { id } = yield* etcd.leaseGrant("1 minute")
        yield* etcd.leaseKeepAlive(id)
        yield* cut
        const kept = yield* Effect.forkChild(etcd.leaseKeepAlive(id), { startImmediately: true })
        const healedAt = performance.now()
        yield* proxy.heal
        assert.isAbove((yield* Fiber.join(kept)).sentAt, healedAt)
      }))

    it.effect("a call fails as unavailable, and works again after", () =>
      Effect.gen(function*() {
        const { cut, etcd, proxy } = yield* broken
        yield* cut
        assert.strictEqual((yield* Effect.flip(etcd.range({ key: "x" }))).reason, "Unavailable")
        yield* proxy.heal
        yield* untilServed(etcd.range({ key: "x" }))
      }))
  })

  describe("options", () => {
    it.effect("come from the config too", () =>
      Effect.gen(function*() {
        const { url } = yield* TestEtcd
        const options = Etcd.layerConfig({
          url: Config.String("ETCD_URL"),
          requestTimeout: Config.Duration("ETCD_TIMEOUT")
        })
        const provider = ConfigProvider.fromUnknown({ ETCD_URL: url, ETCD_TIMEOUT: "3 seconds" })
        const status = yield* Effect.flatMap(Etcd.Etcd, (etcd) => etcd.status).pipe(
          Effect.provide(options),
          Effect.provideService(ConfigProvider.ConfigProvider, provider)
        )
        assert.strictEqual(status.leader, status.member)
      }))

    it.effect("that make no sense are refused before anything is sent", () =>
      Effect.gen(function*() {
        const wrong: ReadonlyArray<Etcd.Options> = [
          { url: [] },
          { url: "localhost:2379" },
          { url: ["http://a:1", "https://b:1"] },
          { url: "http://a:1", requestTimeout: 0 },
          { url: "http://a:1", requestTimeout: "Infinity" }
        ]
        const errors = yield* Effect.forEach(wrong, (options) => Effect.flip(connect(options)))
        assert.deepStrictEqual(errors.map((error) => error.reason), wrong.map(() => "Refused"))
        const etcd = yield* Etcd.Etcd
        const ttls = yield* Effect.forEach([0, "Infinity"] as const, (ttl) => Effect.flip(etcd.leaseGrant(ttl)))
        assert.deepStrictEqual(ttls.map((error) => error.reason), ["Refused", "Refused"])
      }))
  })
})

describe("Etcd on a server of its own", () => {
  it.live("a watch and the keys survive a restart of the server", () =>
    Effect.gen(function*() {
      const server = yield* Servers.etcd
      const etcd = yield* connect({ url: server.url })
      const watch = yield* etcd.watch({ key: "restarted" })
      yield* etcd.put({ key: "restarted", value: "1" })
      yield* server.kill
      assert.strictEqual((yield* Effect.flip(etcd.range({ key: "restarted" }))).reason, "Unavailable")
      yield* server.restart()
      yield* untilServed(etcd.put({ key: "restarted", value: "2" }))
      assert.deepStrictEqual(yield* take(watch, 2), ["put restarted 1", "put restarted 2"])
    }))

  it.live("while the server is paused, calls can be interrupted and the layer closes", () =>
    Effect.gen(function*() {
      const server = yield* Servers.etcd
      const scope = yield* Scope.make()
      // No deadline of the client ends this test.
      const etcd = yield* connect({ url: server.url, requestTimeout: "1 hour" }).pipe(Scope.provide(scope))
      const { id } = yield* etcd.leaseGrant("1 minute")
      yield* etcd.leaseKeepAlive(id)
      const watch = yield* etcd.watch({ key: "paused" }).pipe(Scope.provide(scope))
      yield* server.stop
      const calls = [etcd.put({ key: "paused", value: "" }), etcd.leaseKeepAlive(id), etcd.watch({ key: "more" })]
      const fibers = yield* Effect.forEach(calls, (call) => Effect.forkScoped(call, { startImmediately: true }))
      yield* Fiber.interruptAll(fibers)
      const waiting = yield* Effect.forkScoped(Effect.flip(etcd.leaseKeepAlive(id)), { startImmediately: true })
      const watching = yield* Effect.forkScoped(Effect.flip(Queue.take(watch.batches)), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(waiting)).reason, "Closed")
      const after = yield* Effect.flip(etcd.range({ key: "paused" }))
      assert.strictEqual(after.reason, "Closed")
      yield* Fiber.interrupt(watching)
    }))

  it.live("a server that does not answer is an error in bounded time", () =>
    Effect.gen(function*() {
      const server = yield* Servers.etcd
      const paused = yield* connect({ url: server.url, requestTimeout: "300 millis" })
      const { id } = yield* paused.leaseGrant("1 minute")
      yield* server.stop
      const errors = [
        yield* Effect.flip(paused.put({ key: "x", value: "" })),
        yield* Effect.flip(paused.leaseKeepAlive(id)),
        yield* Effect.flip(paused.watch({ key: "x" })),
        yield* Effect.flip(connect({ url: server.url, requestTimeout: "300 millis" }))
      ]
      assert.deepStrictEqual(
        errors.map(reason),
        ["DeadlineExceeded", "DeadlineExceeded", "DeadlineExceeded", "DeadlineExceeded"]
      )
      yield* server.kill
      assert.strictEqual((yield* Effect.flip(connect({ url: server.url }))).reason, "Unavailable")
      assert.strictEqual(
        (yield* Effect.flip(connect({ url: "http://no-such-host.invalid:2379" }))).reason,
        "Unavailable"
      )
    }))

  it.live("a user logs in, and again when the server has forgotten the token", () =>
    Effect.gen(function*() {
      const server = yield* Servers.etcd
      yield* gateway(server.url, "auth/user/add", { name: "root", password: "secret" })
      yield* gateway(server.url, "auth/role/add", { name: "root" })
      yield* gateway(server.url, "auth/user/grant", { user: "root", role: "root" })
      yield* gateway(server.url, "auth/user/add", { name: "guest", password: "guest" })
      yield* gateway(server.url, "auth/enable", {})
      const as = (username: string, password: string) =>
        connect({ url: server.url, username, password: Redacted.make(password) })
      const etcd = yield* as("root", "secret")
      const watch = yield* etcd.watch({ key: "secret" })
      yield* etcd.put({ key: "secret", value: "1" })
      const refusals = [
        yield* Effect.flip(as("root", "wrong")),
        yield* Effect.flip(Effect.flatMap(connect({ url: server.url }), (etcd) => etcd.range({ key: "secret" })))
      ]
      assert.deepStrictEqual(refusals.map((error) => error.reason), ["Unauthenticated", "Unauthenticated"])
      const guest = yield* as("guest", "guest")
      const denied = [
        yield* Effect.flip(guest.range({ key: "secret" })),
        yield* Effect.flip(guest.watch({ key: "secret" }))
      ]
      assert.deepStrictEqual(
        denied.map(reason),
        ["PermissionDenied", "PermissionDenied"]
      )
      yield* server.restart()
      yield* untilServed(etcd.put({ key: "secret", value: "2" }))
      assert.deepStrictEqual(yield* take(watch, 2), ["put secret 1", "put secret 2"])
    }))

  it.live("members by name and by address make one cluster, which serves on without one of them", () =>
    Effect.gen(function*() {
      const servers = yield* Servers.etcdCluster(3)
      const url = servers.map(({ url }, i) => i === 0 ? url.replace("127.0.0.1", "localhost") : url)
      const etcd = yield* connect({ url })
      const { id } = yield* etcd.leaseGrant("1 minute")
      const watch = yield* etcd.watch({ key: "cluster" })
      yield* etcd.leaseKeepAlive(id)
      yield* servers[0].kill
      const { revision } = yield* untilServed(etcd.put({ key: "cluster", value: "x" }))
      let batch = yield* Queue.take(watch.batches)
      while (batch.revision < revision) batch = yield* Queue.take(watch.batches)
      assert.strictEqual(batch.events.length, 1)
      yield* untilServed(etcd.leaseKeepAlive(id))
    }))
})
