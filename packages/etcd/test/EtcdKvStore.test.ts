import { assert, describe, it } from "@effect/vitest"
import { FaultProxy, Servers } from "@heddle/testkit"
import { kvStoreLaws } from "@heddle/testkit/laws"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { KvStore, LeaseStore } from "heddle/coordination"
import { afterAll } from "vitest"
import { Etcd, EtcdKvStore, EtcdLeaseStore, EtcdOp } from "../src/index.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const inScope = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Scope.provide(effect, scope))

const server = await inScope(Servers.etcd)
const proxy = await inScope(FaultProxy.make(server))
const etcd = await inScope(Effect.map(Layer.build(Etcd.layer({ url: server.url })), Context.get(Etcd.Etcd)))

const compact = (revision: bigint) =>
  Effect.promise(() =>
    fetch(`${server.url}/v3/kv/compaction`, { method: "POST", body: JSON.stringify({ revision: String(revision) }) })
  )

const proxied = EtcdKvStore.layer({ url: `http://127.0.0.1:${proxy.port}`, requestTimeout: "2 seconds" })

kvStoreLaws("etcd", proxied, {
  shared: true,
  leastTtl: 1000,
  compact: Effect.flatMap(etcd.status, ({ revision }) => compact(revision)),
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
})

const direct = EtcdKvStore.layer({ url: server.url })
const services = (layer = direct) => Layer.build(Layer.fresh(layer))
const open = (layer = direct) => Effect.map(services(layer), Context.get(KvStore.KvStore))

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const textAt = (on: KvStore.KvStore["Service"], key: string) =>
  Effect.map(on.get(key), (entry) => Option.isSome(entry) ? EtcdOp.text(entry.value.value) : undefined)

/** Only a hang reaches the deadline. */
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.timeout(effect, "50 seconds")

const eventually = <E, R>(check: Effect.Effect<boolean, E, R>) =>
  inTime(Effect.repeat(check, { until: (yes) => yes, schedule: Schedule.spaced("5 millis") }))

/** A store, and how often it has called etcd. */
const counted = (options: Etcd.Options) =>
  Effect.gen(function*() {
    const etcd = Context.get(yield* Layer.build(Layer.fresh(Etcd.layer(options))), Etcd.Etcd)
    const calls = { range: 0, txn: 0, leaseGrant: 0, leaseRevoke: 0 }
    const count = <A, E, R>(name: keyof typeof calls, call: Effect.Effect<A, E, R>) =>
      Effect.suspend(() => {
        calls[name]++
        return call
      })
    const counting = Etcd.Etcd.of({
      ...etcd,
      range: (request) => count("range", etcd.range(request)),
      txn: (request) => count("txn", etcd.txn(request)),
      leaseGrant: (ttl) => count("leaseGrant", etcd.leaseGrant(ttl)),
      leaseRevoke: (id) => count("leaseRevoke", etcd.leaseRevoke(id))
    })
    const layer = Layer.provide(EtcdKvStore.layerFrom(), Layer.succeed(Etcd.Etcd, counting))
    return { calls, store: Context.get(yield* Layer.build(layer), KvStore.KvStore) }
  })

/** The lease of etcd that the key is bound to. */
const leaseOf = (key: string) =>
  Effect.map(etcd.range({ key: `heddle/%kv/${key}` }), ({ kvs }) => kvs[0]?.lease ?? assert.fail(`no ${key}`))

describe("a key-value store on etcd", () => {
  it.live("keeps its entries as etcd's own keys, beside those of the lease store", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(
        Layer.merge(EtcdKvStore.layerFrom(), EtcdLeaseStore.layerFrom()).pipe(Layer.provide(Etcd.layer(server)))
      )
      const store = Context.get(context, KvStore.KvStore)
      const leases = Context.get(context, LeaseStore.LeaseStore)
      for (const resource of ["%kv", "kv", "own"]) yield* leases.claim({ resource, ttl: "1 hour" })
      const revision = yield* store.put("own/key", bytes("1"))
      const { kvs } = yield* etcd.range(EtcdOp.prefix("heddle/%kv/own/"))
      assert.deepStrictEqual(
        kvs.map(({ key, modRevision, value }) => [EtcdOp.text(key), modRevision, EtcdOp.text(value)]),
        [["heddle/%kv/own/key", revision, "1"]]
      )
      const { entries } = yield* store.range("")
      assert.isTrue(entries.every(({ key }) => !key.includes("kv/") && !key.includes("%session")))
    }))

  it.live("keeps the stores of different prefixes apart", () =>
    Effect.gen(function*() {
      const prefixes = ["a", "a/%kv", "a/%kv/", ""]
      for (const prefix of prefixes) {
        const store = yield* open(EtcdKvStore.layer({ url: server.url, prefix }))
        yield* store.compareAndSet("prefixed", 0n, bytes(prefix))
        assert.strictEqual(yield* textAt(store, "prefixed"), prefix)
      }
    }))

  it.live("binds keys that have a ttl to few leases, which their store leaves behind", () =>
    Effect.gen(function*() {
      const names = Array.from({ length: 20 }, (_, n) => `ttl-${n}`)
      const put = (store: KvStore.KvStore["Service"], ttl: Duration.Input) =>
        Effect.forEach(names, (name) => store.put(name, bytes("1"), { ttl }), { concurrency: "unbounded" })
      yield* Effect.scoped(Effect.flatMap(open(), (store) => put(store, "1 hour")))
      const bound = new Set(yield* Effect.forEach(names, leaseOf))
      assert.strictEqual(bound.size, 1)
      const store = yield* open()
      yield* put(store, "30 days")
      yield* store.put("ttl-0", bytes("1"), { ttl: "30 days" })
      const again = new Set(yield* Effect.forEach(names, leaseOf))
      assert.deepStrictEqual([again.size, [...bound].some((lease) => again.has(lease))], [1, false])
      yield* store.put("ttl-0", bytes("1"), { ttl: "29 days" })
      assert.isFalse(again.has(yield* leaseOf("ttl-0")))
    }))

  it.live("gives a key with a ttl another lease, at once, when somebody has revoked the one it shares", () =>
    Effect.gen(function*() {
      const { calls, store } = yield* counted(server)
      yield* store.put("shared-a", bytes("1"), { ttl: "1 hour" })
      const revoked = yield* leaseOf("shared-a")
      yield* etcd.leaseRevoke(revoked)
      yield* store.put("shared-b", bytes("2"), { ttl: "1 hour" })
      assert.deepInclude(calls, { txn: 3, leaseGrant: 2 })
      assert.strictEqual(yield* textAt(store, "shared-b"), "2")
      assert.isUndefined(yield* textAt(store, "shared-a"))
      assert.notStrictEqual(yield* leaseOf("shared-b"), revoked)
    }))

  it.live("names the lease that has ended among those of a transaction, and writes nothing", () =>
    Effect.gen(function*() {
      const context = yield* services()
      const [store, { transact }] = [
        Context.get(context, KvStore.KvStore),
        Context.get(context, KvStore.KvTransactions)
      ]
      const [kept, lost] = [yield* store.lease({ ttl: "1 hour" }), yield* store.lease({ ttl: "1 hour" })]
      yield* etcd.leaseRevoke(BigInt(lost.id))
      const refused = yield* Effect.flip(transact({
        writes: [
          { _tag: "Put", key: "of-kept", value: bytes("1"), lease: kept },
          { _tag: "Put", key: "of-lost", value: bytes("1"), lease: lost },
          { _tag: "Put", key: "of-ttl", value: bytes("1"), ttl: "1 hour" }
        ]
      }))
      assert.deepInclude(refused, { _tag: "LeaseLost", reason: "revoked", resource: `lease ${lost.id}` })
      assert.deepStrictEqual([kept.isAlive(), lost.isAlive()], [true, false])
      assert.strictEqual((yield* store.range("of-")).entries.length, 0)
    }))

  it.live("finds out that a lease was revoked while nothing is written", () =>
    Effect.gen(function*() {
      const store = yield* open()
      const lease = yield* store.lease({ ttl: "1 second" })
      const running = yield* Effect.forkScoped(Effect.flip(lease.run(Effect.never)))
      yield* etcd.leaseRevoke(BigInt(lease.id))
      assert.deepInclude(yield* inTime(Fiber.join(running)), { _tag: "LeaseLost", reason: "revoked" })
    }))

  it.live("makes a commit whose answer was lost once, and says that it may have", () =>
    Effect.gen(function*() {
      const store = yield* open(proxied)
      const from = yield* store.put("unanswered", bytes("0"))
      const executed = yield* proxy.dropReply((chunk) => chunk.includes("unanswered"))
      const lost = yield* Effect.forkScoped(Effect.flip(store.put("unanswered", bytes("1"))))
      yield* inTime(executed)
      yield* proxy.reset
      yield* proxy.heal
      assert.strictEqual((yield* inTime(Fiber.join(lost)))._tag, "StoreUnavailable")
      yield* inTime(
        Effect.retry(store.put("unanswered", bytes("2")), { while: (it) => it._tag === "StoreUnavailable" })
      )
      const told = yield* inTime(Stream.runCollect(Stream.take(store.watch("unanswered", { from }), 3)))
      const values = told.flatMap(({ changes: [change] }) =>
        change._tag === "Put" ? [EtcdOp.text(change.entry.value)] : []
      )
      assert.deepStrictEqual(values, ["0", "1", "2"])
    }))

  it.live("asks again while no member answers, but for commits", () =>
    Effect.gen(function*() {
      const { calls, store } = yield* counted({ url: `http://127.0.0.1:${proxy.port}`, requestTimeout: "2 seconds" })
      yield* store.put("later", bytes("1"))
      yield* Effect.addFinalizer(() => proxy.heal)
      const lease = yield* store.lease()
      const later = store.range("later", { limit: 1 })
      const watched = Stream.runHead(store.watch("later"))
      const asked = [
        ["range", store.get("later")],
        ["range", later],
        ["range", watched],
        ["leaseGrant", store.lease()],
        ["leaseRevoke", lease.release]
      ] as const
      for (const [call, ask] of asked) {
        yield* proxy.refuse
        yield* proxy.reset
        assert.strictEqual((yield* Effect.flip(store.put("later", bytes("2"))))._tag, "StoreUnavailable")
        const [before, committed] = [calls[call], calls.txn]
        const asking = yield* Effect.forkScoped(ask)
        yield* eventually(Effect.sync(() => calls[call] >= before + 3))
        yield* proxy.heal
        if (ask === watched) yield* Effect.forkScoped(Effect.forever(etcd.put({ key: "heddle/%kv/later", value: "3" })))
        yield* inTime(Fiber.join(asking))
        assert.strictEqual(calls.txn, committed)
      }
    }))

  it.live("fails when its server stays away, and says what to do", () =>
    Effect.gen(function*() {
      const store = yield* open(proxied)
      yield* Effect.addFinalizer(() => proxy.heal)
      yield* proxy.refuse
      yield* proxy.reset
      const errors = [
        yield* Effect.flip(store.get("away")),
        yield* Effect.flip(store.range("away")),
        yield* Effect.flip(store.delete("away")),
        yield* Effect.flip(store.lease())
      ]
      for (const error of errors) {
        assert.deepInclude(error, { _tag: "StoreUnavailable", backend: "etcd" })
        assert.match(error.message, /try again/)
      }
    }))

  it.live("gives a lease back before it closes", () =>
    Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const store = yield* open()
        const lease = yield* store.lease({ ttl: "1 hour" })
        yield* store.put("closing", bytes("1"), { lease })
      }))
      assert.strictEqual((yield* etcd.range({ key: "heddle/%kv/closing" })).count, 0n)
    }))

  it.live("refuses a transaction that is too large for etcd, and writes nothing", () =>
    Effect.gen(function*() {
      const context = yield* services()
      const { transact } = Context.get(context, KvStore.KvTransactions)
      const large = new Uint8Array(1_048_576)
      const put = (key: string) => ({ _tag: "Put" as const, key, value: large })
      const error = yield* Effect.flip(transact({ writes: [put("large-a"), put("large-b")] }))
      assert.deepInclude(error, { _tag: "StoreUnavailable" })
      assert.match(error.message, /larger than max.*would be refused again/)
      assert.strictEqual((yield* Context.get(context, KvStore.KvStore).range("large-")).entries.length, 0)
    }))

  it.live("a layer whose server cannot be reached fails typed", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        services(EtcdKvStore.layer({ url: "http://127.0.0.1:1", requestTimeout: "300 millis" }))
      )
      assert.deepInclude(error, { _tag: "StoreUnavailable", backend: "etcd" })
    }))

  it.live("takes its options from the configuration", () =>
    Effect.gen(function*() {
      const layer = EtcdKvStore.layerConfig({ url: Config.String("URL"), prefix: Config.String("PREFIX") })
      const context = yield* Effect.provideService(
        Layer.build(layer),
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromUnknown({ URL: server.url, PREFIX: "configured" })
      )
      yield* Context.get(context, KvStore.KvStore).put("key", bytes("1"))
      assert.strictEqual((yield* etcd.range({ key: "configured/%kv/key" })).count, 1n)
    }))
})

describe("a watch on etcd", () => {
  it.live("does not pass over a deletion that was compacted, not even from its own revision", () =>
    Effect.gen(function*() {
      const store = yield* open()
      yield* store.put("compacted", bytes("1"))
      yield* store.delete("compacted")
      const { revision: deleted } = yield* store.range("compacted")
      const after = yield* store.put("compacted", bytes("2"))
      yield* compact(deleted)
      const head = (from: bigint) => Stream.runHead(store.watch("compacted", { from }))
      const error = yield* inTime(Effect.flip(head(deleted)))
      assert.deepInclude(error, { _tag: "Compacted", requested: deleted, oldest: deleted + 1n })
      const next = yield* inTime(Effect.flatMap(head(deleted + 1n), Effect.fromOption))
      assert.strictEqual(next.revision, after)
    }))

  it.live("keeps so much for a reader that does not read and leaves the rest with etcd, and the reader misses nothing", () =>
    Effect.gen(function*() {
      const store = yield* open()
      const raw = yield* etcd.watch({ key: "heddle/%kv/slow" })
      const first = yield* store.put("slow", bytes("0"))
      const [going, told] = [yield* Latch.make(false), yield* Latch.make(false)]
      const revisions: Array<bigint> = []
      const reader = yield* store.watch("slow", { from: first }).pipe(
        Stream.takeUntil(({ changes }) =>
          changes.some((it) => it._tag === "Put" && EtcdOp.text(it.entry.value) === "end")
        ),
        Stream.runForEach(({ revision }) => {
          revisions.push(revision)
          return Effect.andThen(told.open, going.await)
        }),
        Effect.forkScoped
      )
      yield* inTime(told.await)
      const written = yield* Effect.forEach(
        Array.from({ length: 6000 }, (_, index) => `${index}`),
        (text) => store.put("slow", bytes(text)),
        { concurrency: 64 }
      )
      const last = yield* store.put("slow", bytes("end"))
      const batches = yield* inTime(Effect.exit(Effect.forever(Queue.takeAll(raw.batches))))
      assert.deepInclude(Exit.findErrorOption(batches).pipe(Option.getOrThrow), { reason: "Exhausted" })
      yield* going.open
      yield* inTime(Fiber.join(reader))
      assert.deepStrictEqual(revisions, [first, ...written.sort((one, other) => one < other ? -1 : 1), last])
    }))

  it.live("that lost its server does not pass over a deletion that was compacted meanwhile", () =>
    Effect.gen(function*() {
      const [store, other] = [yield* open(proxied), yield* open()]
      const put = yield* other.put("away", bytes("1"))
      const seen: Array<bigint> = []
      const watching = yield* Effect.forkScoped(Effect.flip(
        Stream.runForEach(store.watch("away", { from: put }), ({ revision }) => Effect.sync(() => seen.push(revision)))
      ))
      yield* inTime(
        Effect.repeat(Effect.sync(() => seen.length), { until: (n) => n === 1, schedule: Schedule.spaced(5) })
      )
      yield* Effect.addFinalizer(() => proxy.heal)
      yield* proxy.refuse
      yield* proxy.reset
      yield* other.delete("away")
      const { revision: deleted } = yield* other.range("away")
      yield* other.put("away", bytes("2"))
      yield* compact(deleted)
      yield* proxy.heal
      assert.deepInclude(yield* inTime(Fiber.join(watching)), { _tag: "Compacted", requested: deleted })
      assert.deepStrictEqual(seen, [put])
    }))

  it.live("tells nothing from before the revision it was asked for", () =>
    Effect.gen(function*() {
      const store = yield* open()
      const revisions = yield* Effect.forEach(["1", "2", "3"], (value) => store.put("before", bytes(value)))
      const told = yield* inTime(
        Stream.runCollect(Stream.take(store.watch("before", { from: revisions[1] }), 2))
      )
      assert.deepStrictEqual(told.map(({ revision }) => revision), revisions.slice(1))
    }))

  it.live("from the first revision on tells all that is kept, and from one that is to come waits for it", () =>
    Effect.gen(function*() {
      const server = yield* Servers.etcd
      const store = yield* open(EtcdKvStore.layer(server))
      const first = yield* store.put("key", bytes("1"))
      const told = yield* inTime(Effect.flatMap(Stream.runHead(store.watchPrefix("", { from: 0n })), Effect.fromOption))
      assert.strictEqual(told.revision, first)
      const later = yield* Effect.forkScoped(Stream.runHead(store.watch("key", { from: first + 3n })))
      const writing = Effect.repeat(store.put("key", bytes("2")), { until: () => later.pollUnsafe() !== undefined })
      yield* inTime(writing)
      const seen = yield* inTime(Effect.flatMap(Fiber.join(later), Effect.fromOption))
      assert.strictEqual(seen.revision, first + 3n)
    }))
})
