import { afterAll, assert, describe, it } from "@effect/vitest"
import { kvStoreLaws } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { KvStore } from "heddle/coordination"
import { Redis, RedisKvStore } from "../src/index.ts"
import { kvKeys, kvSteps } from "../src/internal/kvSteps.ts"
import * as RedisTest from "./RedisTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { admin, proxy, server, url } = await Effect.runPromise(Scope.provide(RedisTest.make, scope))

const options = { url, commandTimeout: "2 seconds" } as const
const heal = () => proxy.heal
const { channel, keys: stored } = kvKeys("heddle")
const [meta = "", , , , , log = ""] = stored

kvStoreLaws("redis", RedisKvStore.layer(options), {
  shared: true,
  compact: admin((redis) => redis.del(log)),
  leastTtl: 1000,
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), heal)
})

const services = (more: RedisKvStore.Options = {}) =>
  Layer.build(Layer.fresh(RedisKvStore.layer({ ...options, ...more })))
const store = (more: RedisKvStore.Options = {}) => Effect.map(services(more), Context.get(KvStore.KvStore))

/** A store that asks this often whether a push was lost. */
const rechecking = (recheck: number) =>
  KvStore.layerOf({
    backend: "redis",
    steps: () =>
      Effect.flatMap(Redis.Redis, (redis) =>
        kvSteps(redis, { prefix: "heddle", history: 10_000, timeout: 2000, recheck }))
  }).pipe(Layer.provide(Redis.layer(options)), Layer.fresh, Layer.build, Effect.map(Context.get(KvStore.KvStore)))
const hour = 3_600_000

/** A store, and whether it has a connection. */
const connected = (options: Redis.Options) =>
  Effect.map(
    Layer.build(Layer.fresh(Layer.provideMerge(RedisKvStore.layerFrom(), Redis.layer(options)))),
    (context) => ({
      store: Context.get(context, KvStore.KvStore),
      isUp: () => Context.get(context, Redis.Redis).commands.status === "ready"
    })
  )

type Kv = KvStore.KvStore["Service"]

const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.timeout(effect, "50 seconds")

const eventually = <E, R>(check: Effect.Effect<boolean, E, R>) =>
  inTime(Effect.repeat(check, { until: (yes) => yes, schedule: Schedule.spaced("5 millis") }))

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const textAt = (on: Kv, key: string) =>
  Effect.map(on.get(key), (entry) => Option.isSome(entry) ? new TextDecoder().decode(entry.value.value) : undefined)

/** What a watch of the key tells from now on, and when it listens, in a fiber. */
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

/** Completes when this many connections hear of commits. */
const listening = (count: number) =>
  eventually(Effect.map(admin((redis) => redis.pubsub("NUMSUB", channel)), ([, now]) => Number(now) === count))

const calls = Effect.map(
  admin((redis) => redis.info("commandstats")),
  (stats) => Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0)
)

const isCommit = (chunk: string) => chunk.includes("\ncommit\r") && chunk.includes("evalsha")

describe("a key-value store on Redis", () => {
  it.live("makes all commits of one tick in one call", () =>
    Effect.gen(function*() {
      const one = yield* store()
      yield* one.put("tick", bytes("first"))
      const before = yield* calls
      const revisions = yield* Effect.forEach(Array.from({ length: 50 }), (_, n) => one.put(`tick-${n}`, bytes("1")), {
        concurrency: "unbounded"
      })
      assert.strictEqual((yield* calls) - before, 1)
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

  it.live("goes on after the server has forgotten its scripts", () =>
    Effect.gen(function*() {
      const one = yield* store()
      yield* one.put("flushed", bytes("1"))
      yield* admin((redis) => redis.script("FLUSH"))
      const revision = yield* one.put("flushed", bytes("2"))
      yield* admin((redis) => redis.script("FLUSH"))
      assert.isTrue((yield* one.put("flushed", bytes("3"))) > revision)
    }))

  it.live("makes a commit whose answer was lost once, and says that it may have", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const told = yield* watched(one, "unanswered", 2)
      const executed = yield* proxy.dropReply(isCommit)
      const lost = yield* Effect.forkChild(Effect.flip(one.put("unanswered", bytes("1"))))
      yield* inTime(executed)
      yield* proxy.heal
      assert.strictEqual((yield* inTime(Fiber.join(lost)))._tag, "StoreUnavailable")
      yield* one.put("unanswered", bytes("2"))
      assert.deepStrictEqual(yield* told, ["1", "2"])
    }))

  it.live("reads again when the answer was lost", () =>
    Effect.gen(function*() {
      const one = yield* store()
      yield* one.put("reading", bytes("1"))
      const executed = yield* proxy.dropReply((chunk) => chunk.includes("\nget\r"))
      const reading = yield* Effect.forkChild(textAt(one, "reading"))
      yield* inTime(executed)
      yield* proxy.heal
      assert.strictEqual(yield* inTime(Fiber.join(reading)), "1")
    }))

  it.live("waits for a connection while it may, and then says that there is none", () =>
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

  it.live("gives a lease back before it closes, also when that has to wait for a connection", () =>
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

  it.live("warns when the server may evict keys", () =>
    Effect.gen(function*() {
      const logged: Array<unknown> = []
      const logger = Logger.make(({ message }) => {
        logged.push(message)
      })
      const set = (policy: string, memory: string) =>
        admin((redis) =>
          Promise.all([redis.config("SET", "maxmemory", memory), redis.config("SET", "maxmemory-policy", policy)])
        )
      yield* Effect.addFinalizer(() => set("noeviction", "0"))
      for (const policy of ["volatile-lru", "allkeys-lfu"]) {
        yield* set(policy, "1gb")
        yield* store().pipe(Effect.provide(Logger.layer([logger])))
      }
      assert.deepStrictEqual(logged.map((it) => /is (\S+):/.exec(String(it))?.[1]), ["allkeys-lfu"])
    }))

  it.live("fails reads, commits and watches when something else lies under its keys", () =>
    Effect.gen(function*() {
      const one = yield* store({ prefix: "foreign" })
      yield* admin((redis) => redis.set(kvKeys("foreign").keys[0] ?? "", "a string"))
      const errors = [
        yield* Effect.flip(one.get("key")),
        yield* Effect.flip(one.put("key", bytes("1"))),
        yield* inTime(Effect.flip(Stream.runDrain(one.watch("key"))))
      ]
      for (const { message } of errors) assert.match(message, /something else under this key/)
    }))

  it.live("keeps the stores of different prefixes apart, and each in one slot", () =>
    Effect.gen(function*() {
      const prefixes = ["a", "a{b", "a%7bb", "a}", "{}", "", "a:kv"]
      for (const prefix of prefixes) {
        const one = yield* store({ prefix })
        yield* one.compareAndSet("key", 0n, bytes(prefix))
        assert.strictEqual(yield* textAt(one, "key"), prefix)
      }
      for (const prefix of prefixes) {
        const tags = new Set(kvKeys(prefix).keys.map((key) => /^[^{]*\{([^}]*)\}/.exec(key)?.[1]))
        assert.isTrue(tags.size === 1 && !tags.has(""))
      }
    }))
})

describe("the revisions of a key-value store on Redis", () => {
  it.live("grow also after all is lost, and who watched from before is told", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const before = yield* one.put("lost", bytes("1"))
      yield* admin((redis) => redis.flushall())
      assert.isTrue((yield* one.put("lost", bytes("2"))) > before)
      const error = yield* inTime(Effect.flip(Stream.runHead(one.watch("lost", { from: before }))))
      assert.strictEqual(error._tag, "Compacted")
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
      const kept = yield* admin((redis) =>
        Promise.all(stored.map((key) => redis.dumpBuffer(key).then((it) => [key, it] as const)))
      )
      const undone = yield* one.put("undone", bytes("2"))
      yield* eventually(Effect.sync(() => seen.length === 1))
      // At once: the watch reads at any time.
      const back = kept.flatMap(([key, it]) => it === null ? [] : [["restore", key, 0, it]])
      yield* admin((redis) => redis.multi([["del", ...stored], ...back]).exec())
      const conflict = yield* Effect.flip(one.compareAndSet("undone", undone, bytes("3")))
      assert.strictEqual(conflict._tag, "Conflict")
      assert.isTrue((yield* one.put("undone", bytes("4"))) > undone)
      const error = yield* inTime(Fiber.join(watching))
      assert.deepInclude(error, { _tag: "Compacted", requested: undone + 1n })
      assert.deepStrictEqual(seen, [undone])
    }))

  it.live("are kept for who watches as long as the history says, and not much longer", () =>
    Effect.gen(function*() {
      const one = yield* store({ history: 50, prefix: "short" })
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
      const context = yield* services({ prefix: "many" })
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
        }), { concurrency: "unbounded" })
      const { entries, more, revision } = yield* one.range("", { limit: 10_000 })
      assert.deepStrictEqual([entries.length, more], [10_000, true])
      yield* lease.release
      const gone = yield* inTime(Stream.runHead(one.watchPrefix("", { from: revision + 1n })))
      assert.strictEqual(Option.isSome(gone) && gone.value.changes.length, 15_000)
      assert.strictEqual((yield* one.range("")).entries.length, 0)
      const left = yield* admin((redis) => redis.exists(...kvKeys("many").keys))
      assert.strictEqual(left, 2)
    }))
})

describe("a watch on Redis", () => {
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

  it.live("is told of a commit that changes many keys", () =>
    Effect.gen(function*() {
      const one = yield* rechecking(hour)
      const { transact } = Context.get(yield* services(), KvStore.KvTransactions)
      const told = yield* watched(one, "crowd-7", 1)
      yield* one.put("crowd", bytes("0"))
      const writes = Array.from({ length: 50 }, (_, n) => ({
        _tag: "Put" as const,
        key: `crowd-${n}`,
        value: bytes(`${n}`)
      }))
      yield* transact({ writes })
      assert.deepStrictEqual(yield* told, ["7"])
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

  it.live("knows of the end of leases of keys that it does not watch", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* rechecking(hour), yield* rechecking(hour)]
      yield* admin((redis) => redis.flushall())
      yield* watched(one, "another", 1)
      yield* other.put("unwatched", bytes("1"), { ttl: 50 })
      const entries = stored[1] ?? ""
      yield* eventually(Effect.map(admin((redis) => redis.hlen(entries)), (left) => left === 0))
    }))

  it.live("reads once for what concerns it, and never for what does not", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* rechecking(hour), yield* rechecking(hour)]
      yield* admin((redis) => redis.flushall())
      yield* other.put("concern", bytes("0"))
      const told = yield* watched(one, "concern", 1)
      const before = yield* calls
      for (let n = 0; n < 20; n++) yield* other.put(`other-${n}`, bytes("1"))
      yield* other.put("concern", bytes("1"))
      assert.deepStrictEqual(yield* told, ["1"])
      // The first reading may have come after the count began.
      assert.isAtMost((yield* calls) - before, 20 + 1 + 1 + 1)
    }))

  it.live("finds what a lost push would have told", () =>
    Effect.gen(function*() {
      const one = yield* rechecking(50)
      const told = yield* watched(one, "push", 1)
      yield* Effect.acquireRelease(
        proxy.dropMatching("down", (chunk) => chunk.includes("message") && chunk.includes(channel)),
        heal
      )
      yield* one.put("push", bytes("1"))
      assert.deepStrictEqual(yield* told, ["1"])
    }))

  it.live("finds what a lost push would have told by the next one, whatever that is about", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* rechecking(hour), yield* rechecking(hour)]
      const told = yield* watched(one, "chain-a", 1)
      const dropped = yield* proxy.dropMatching(
        "down",
        (chunk) => chunk.includes("message") && chunk.includes("chain-a")
      )
      yield* Effect.addFinalizer(heal)
      yield* other.put("chain-a", bytes("1"))
      yield* inTime(dropped)
      yield* other.put("chain-b", bytes("1"))
      assert.deepStrictEqual(yield* told, ["1"])
    }))

  it.live("misses nothing when it is far behind", () =>
    Effect.gen(function*() {
      const one = yield* rechecking(hour)
      const numbers = Array.from({ length: 2500 }, (_, n) => n)
      const [from] = yield* Effect.forEach(
        numbers,
        (n) => one.put(n % 50 === 0 ? "far" : "near", bytes(`${n}`)),
        { concurrency: "unbounded" }
      )
      const told = yield* inTime(Stream.runCollect(Stream.take(one.watch("far", { from: from ?? 0n }), 50)))
      assert.deepStrictEqual(
        told.map(({ changes: [change] }) => change._tag === "Put" ? new TextDecoder().decode(change.entry.value) : ""),
        numbers.filter((n) => n % 50 === 0).map(String)
      )
    }))

  it.live("hears again after its subscription was lost", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* rechecking(hour), yield* rechecking(hour)]
      const told = yield* watched(one, "subscription", 2)
      yield* other.put("subscription", bytes("1"))
      yield* admin((redis) => redis.call("CLIENT", "KILL", "TYPE", "pubsub"))
      yield* listening(1)
      yield* other.put("subscription", bytes("2"))
      assert.deepStrictEqual(yield* told, ["1", "2"])
    }))

  it.live("replaces a subscription that has fallen silent", () =>
    Effect.gen(function*() {
      const one = yield* rechecking(50)
      const told = yield* watched(one, "fallen", 1)
      const subscribed = Effect.map(admin((redis) => redis.client("LIST", "TYPE", "PUBSUB")), (list) =>
        /^id=\d+/.exec(String(list))?.[0])
      const silent = yield* subscribed
      yield* Effect.addFinalizer(heal)
      let asked = false
      yield* Effect.flatMap(
        proxy.dropReply((chunk) =>
          chunk.includes("ping") && !asked && (asked = true)
        ),
        inTime
      )
      yield* eventually(Effect.map(subscribed, (now) => now !== undefined && now !== silent))
      yield* one.put("fallen", bytes("1"))
      assert.deepStrictEqual(yield* told, ["1"])
    }))

  it.live("opens while there is no server, and stops listening when nobody watches", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const from = yield* one.put("opening", bytes("1"))
      yield* proxy.refuse
      yield* proxy.reset
      yield* eventually(Effect.map(proxy.connections, (open) => open === 0))
      const watching = yield* Effect.forkChild(Stream.runHead(one.watch("opening", { from })), {
        startImmediately: true
      })
      yield* proxy.heal
      assert.isTrue(Option.isSome(yield* inTime(Fiber.join(watching))))
      yield* listening(0)
    }))

  it.live("misses nothing while its connections are killed", () =>
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
          admin(async (redis) => {
            await redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await redis.call("CLIENT", "KILL", "TYPE", "pubsub")
          }),
          listening(1)
        ))
      yield* inTime(Fiber.join(writing))
      assert.deepStrictEqual(yield* told, Array.from({ length: 300 }, (_, n) => `${n}`))
    }))
})

describe("the memory that a key-value store on Redis takes", () => {
  it.live("does not grow with the ttls of a key that is written again and again", () =>
    Effect.gen(function*() {
      const one = yield* store({ prefix: "again", history: 10 })
      for (let n = 0; n < 50; n++) yield* one.put("key", bytes("1"), { ttl: "400 days" })
      yield* one.delete("key")
      const [, , , leases = ""] = kvKeys("again").keys
      assert.strictEqual(yield* admin((redis) => redis.exists(leases)), 0)
      assert.strictEqual(yield* admin((redis) => redis.ttl(meta)), -1)
    }))
})
