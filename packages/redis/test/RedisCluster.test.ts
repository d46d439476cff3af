import { afterAll, assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import { kvStoreLaws, leaseStoreLaws, logLaws } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { LeaseStore } from "heddle/coordination"
import { Broker } from "heddle/messaging"
import { Cluster, type Redis as Client } from "ioredis"
import { Redis, RedisBroker, RedisKvStore, RedisLeaseStore, RedisLogStore } from "../src/index.ts"
import { kvKeys } from "../src/internal/kvSteps.ts"
import { slotOf, tagOf } from "../src/internal/slots.ts"
import * as Slots from "./clusterSlots.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

/** A cluster, with a connection to each of its nodes. */
const start = (replicas: number) =>
  Effect.gen(function*() {
    const servers = yield* Servers.redisCluster({ replicas })
    const nodes = yield* Effect.forEach(servers, Slots.nodeOf)
    const options = {
      cluster: servers.map(({ url }) => url),
      commandTimeout: "2 seconds",
      heartbeat: "200 millis"
    } as const
    return { nodes, options }
  })
type Nodes = Effect.Success<ReturnType<typeof start>>["nodes"]

const [{ nodes, options }, replicated] = await Effect.runPromise(
  Scope.provide(Effect.all([start(0), start(1)], { concurrency: 2 }), scope)
)
const { cluster } = options

const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.timeout(effect, "50 seconds")

const eventually = <E, R>(check: Effect.Effect<boolean, E, R>) =>
  inTime(Effect.repeat(check, { until: (yes) => yes, schedule: Schedule.spaced("5 millis") }))

const sum = (all: ReadonlyArray<number>) => all.reduce((sum, one) => sum + one, 0)
const onAll = <A>(use: (client: Client) => Promise<A>): Effect.Effect<ReadonlyArray<A>> =>
  Effect.promise(() => Promise.all(nodes.map(({ client }) => use(client))))

/** The master that serves the key. */
const masterOf = (key: string, all: Nodes = nodes) =>
  Effect.gen(function*() {
    const slot = slotOf(key)
    for (const { client } of all) {
      const map = yield* Effect.promise(() => client.cluster("SLOTS").catch(() => []))
      const range = map.find(([from, to]) => Number(from) <= slot && slot <= Number(to))
      const node = all.find(({ server }) => server.port === range?.[2]?.[1])
      if (node !== undefined) return node
    }
    return yield* Effect.die(new Error(`nobody serves ${key}`))
  })

const forget = (key: string) => Effect.flatMap(masterOf(key), ({ client }) => Effect.promise(() => client.del(key)))
const restart = Effect.forEach(nodes, ({ server }) => server.restart(), { concurrency: "unbounded" })
const kv = kvKeys("heddle")

leaseStoreLaws("redis cluster", RedisLeaseStore.layer(options), {
  shared: true,
  weighted: true,
  resizable: true,
  fair: true,
  described: true,
  worker: { module: new URL("fixtures/clusterWorker.ts", import.meta.url), env: { REDIS_CLUSTER: cluster.join(",") } },
  forget: (resource) => forget(`heddle:{${resource}}`),
  wipe: onAll((redis) => redis.flushall()),
  restart,
  remnants: Effect.map(onAll((redis) => redis.dbsize()), sum)
})

logLaws("redis cluster", RedisLogStore.layer({ cluster, commandTimeout: "2 seconds" }), { shared: true, restart })

kvStoreLaws("redis cluster", RedisKvStore.layer({ cluster, commandTimeout: "2 seconds" }), {
  shared: true,
  compact: forget(kv.keys[5] ?? ""),
  leastTtl: 600,
  restart
})

const store = (more: RedisLeaseStore.Options = {}) =>
  Effect.map(
    Layer.build(Layer.fresh(RedisLeaseStore.layer({ ...options, ...more }))),
    Context.get(LeaseStore.LeaseStore)
  )

/** Completes when this many wait for the resource. */
const waiting = (resource: string, count: number) =>
  eventually(Effect.flatMap(
    masterOf(`heddle:{${resource}}`),
    ({ client }) =>
      Effect.promise(() => client.hlen(`heddle:{${resource}}:w`).then((now) => now === count, () => false))
  ))

/** Completes when this many inboxes are heard at the node. */
const heard = (client: Client, count: number) =>
  eventually(Effect.map(
    Effect.promise(() => client.call("PUBSUB", "SHARDCHANNELS", "heddle:inbox:*")),
    (found) => Array.isArray(found) && found.length === count
  ))

/** So many resources of one slot. */
const neighbours = (slot: number, count: number): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (let n = 0; found.length < count; n++) if (slotOf(`${n}`) === slot) found.push(`${n}`)
  return found
}

const calls = Effect.map(
  onAll((redis) => redis.info("commandstats")),
  (stats) => sum(stats.map((stat) => Number(/cmdstat_evalsha:calls=(\d+)/.exec(stat)?.[1] ?? 0)))
)

const info = (client: Client, what: RegExp) =>
  eventually(Effect.promise(() => client.info("replication").then((found) => what.test(found), () => false)))
const isMaster = ({ client }: Nodes[number]) => info(client, /role:master/)
const replicates = ({ client }: Nodes[number]) => info(client, /role:slave[^]*master_link_status:up/)

/** Completes when all of these know of a master for each slot. */
const serve = (all: ReadonlyArray<Nodes[number]>) =>
  eventually(Effect.map(
    Effect.promise(() => Promise.all(all.map(({ client }) => client.cluster("INFO").catch(() => "")))),
    (found) => found.every((info) => /cluster_state:ok/.test(info) && /cluster_slots_ok:16384/.test(info))
  ))

const move = (slot: number, from: Nodes[number], to: Nodes[number]) => Slots.move(slot, from, to, nodes)

describe("slots", () => {
  it("are those of the specification, and each has a tag", () => {
    assert.strictEqual(slotOf("123456789"), 0x31c3)
    assert.strictEqual(slotOf("a{user1000}.following"), slotOf("user1000"))
    assert.strictEqual(slotOf("foo{{bar}}zap"), slotOf("{bar"))
    assert.notStrictEqual(slotOf("foo{}{bar}"), slotOf("bar"))
    for (let slot = 0; slot < 16_384; slot++) assert.strictEqual(slotOf(tagOf(slot)), slot)
  })

  it.live("are the server's own", () =>
    Effect.forEach(
      ["a", "ä😀", "x{y}z", "{}{y}", "{"],
      (key) =>
        Effect.map(onAll((redis) => redis.cluster("KEYSLOT", key)), ([slot]) => assert.strictEqual(slot, slotOf(key)))
    ))
})

describe("a lease store on Redis Cluster", () => {
  it.live("takes all leases of one tick and one slot in one call", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const resources = [...neighbours(1, 3), ...neighbours(9000, 4)]
      yield* Effect.forEach(resources, (resource) => Effect.scoped(one.claim({ resource })))
      yield* eventually(Effect.map(onAll((redis) => redis.keys("heddle:{*")), (left) => left.flat().length === 0))
      const before = yield* calls
      const leases = yield* Effect.forEach(resources, (resource) => one.claim({ resource }), {
        concurrency: "unbounded"
      })
      assert.strictEqual((yield* calls) - before, 2)
      yield* Effect.forEach(leases, (lease) => lease.release, { concurrency: "unbounded" })
      assert.strictEqual((yield* calls) - before, 4)
    }))

  it.live("hands over by a push alone, and hears an inbox only where somebody waits", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store({ heartbeat: "1 hour" }), yield* store({ heartbeat: "1 hour" })]
      const { client } = yield* masterOf("{pushed}")
      const holder = yield* other.claim({ resource: "pushed", ttl: "1 hour" })
      yield* heard(client, 0)
      const waiter = yield* Effect.forkChild(one.claim({ resource: "pushed" }))
      yield* heard(client, 1)
      yield* waiting("pushed", 1)
      yield* holder.release
      yield* Effect.flatMap(inTime(Fiber.join(waiter)), (lease) => lease.release)
    }))

  it.live("stops to hear when nobody waits any more", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store(), yield* store()]
      const { client } = yield* masterOf("{quiet}")
      const holder = yield* other.claim({ resource: "quiet" })
      const waiter = yield* Effect.forkChild(one.claim({ resource: "quiet" }))
      yield* heard(client, 1)
      yield* holder.release
      yield* Effect.flatMap(inTime(Fiber.join(waiter)), (lease) => lease.release)
      yield* heard(client, 0)
    }))

  it.live("finds a grant that was made before its inbox was heard", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store({ heartbeat: "1 hour" }), yield* store()]
      // The first wait in a slot, and the release in the same tick, over and over.
      for (const resource of neighbours(7000, 20)) {
        const holder = yield* other.claim({ resource })
        const waiter = yield* Effect.forkChild(one.claim({ resource }), { startImmediately: true })
        holder.releaseUnsafe()
        yield* Effect.flatMap(inTime(Fiber.join(waiter)), (lease) => lease.release)
      }
    }))

  it.live(
    "keeps its places in line, and hears of its turn, when the slot moves to another node",
    () =>
      Effect.gen(function*() {
        const [one, other] = [yield* store({ heartbeat: "1 hour" }), yield* store()]
        const key = "heddle:{moving}"
        const from = yield* masterOf(key)
        const to = nodes.find((node) => node !== from) ?? from
        const holder = yield* other.claim({ resource: "moving", ttl: "1 hour" })
        const waiter = yield* Effect.forkChild(one.claim({ resource: "moving" }))
        yield* waiting("moving", 1)
        yield* heard(from.client, 1)
        yield* move(slotOf(key), from, to)
        yield* heard(to.client, 1)
        yield* holder.release
        yield* Effect.flatMap(inTime(Fiber.join(waiter)), (lease) => lease.release)
        yield* move(slotOf(key), to, from)
      }),
    120_000
  )

  it.live(
    "loses the leases of a node that stands still, and no others",
    () =>
      Effect.gen(function*() {
        const configured = (value: string) =>
          onAll((redis) => redis.config("SET", "cluster-require-full-coverage", value))
        yield* Effect.acquireRelease(configured("no"), () => configured("yes"))
        const one = yield* store({ commandTimeout: "3 seconds" })
        const [there, here] = [neighbours(1, 1)[0] ?? "", neighbours(16_000, 1)[0] ?? ""]
        const still = yield* masterOf(`heddle:{${there}}`)
        const [lost, kept] = yield* Effect.all([
          one.claim({ resource: there, ttl: "2 seconds" }),
          one.claim({ resource: here, ttl: "2 seconds" })
        ], { concurrency: 2 })
        const other = yield* Effect.forkChild(kept.run(Effect.never))
        yield* Effect.acquireRelease(still.server.stop, () => Effect.orDie(still.server.continue))
        assert.strictEqual((yield* inTime(Effect.flip(lost.run(Effect.never)))).reason, "expired")
        // Longer than the steps to the node that stands still take to fail.
        yield* Effect.sleep("3500 millis")
        assert.isTrue(kept.isAlive())
        yield* Fiber.interrupt(other)
        yield* still.server.continue
        yield* serve(nodes)
      }),
    120_000
  )

  it.live(
    "gives back, and keeps the line, while the keys of a resource are on two nodes",
    () =>
      Effect.gen(function*() {
        const [one, other] = [yield* store(), yield* store()]
        const key = "heddle:{halves}"
        const from = yield* masterOf(key)
        const to = nodes.find((node) => node !== from) ?? from
        const holder = yield* other.claim({ resource: "halves", ttl: "1 hour" })
        const waiter = yield* Effect.forkChild(one.claim({ resource: "halves" }))
        yield* waiting("halves", 1)
        yield* Slots.open(slotOf(key), from, to)
        yield* Slots.carry(from, to, `${key}:q`, `${key}:w`)
        const release = yield* Effect.forkChild(holder.release)
        // The waiter has asked again meanwhile, and the release as well.
        yield* Effect.sleep("500 millis")
        yield* move(slotOf(key), from, to)
        yield* inTime(Fiber.join(release))
        yield* Effect.flatMap(inTime(Fiber.join(waiter)), (lease) => lease.release)
        yield* move(slotOf(key), to, from)
      }),
    120_000
  )

  it.live(
    "takes and keeps leases of a slot of which half has moved, in one tick",
    () =>
      Effect.gen(function*() {
        const one = yield* store()
        const resources = neighbours(5000, 8)
        const [moved, ...others] = resources
        const key = `heddle:{${moved}}`
        const from = yield* masterOf(key)
        const to = nodes.find((node) => node !== from) ?? from
        const leases = yield* Effect.forEach(resources.slice(0, 4), (resource) =>
          one.claim({ resource, ttl: "2 seconds" }), { concurrency: "unbounded" })
        yield* Slots.open(slotOf(key), from, to)
        yield* Slots.carry(from, to, key)
        const more = yield* inTime(Effect.forEach(others.slice(3), (resource) =>
          one.claim({ resource, ttl: "2 seconds" }), { concurrency: "unbounded" }))
        yield* Effect.sleep("3 seconds")
        for (const lease of [...leases, ...more]) {
          assert.isTrue(lease.isAlive(), lease.resource)
        }
        yield* move(slotOf(key), from, to)
        for (const lease of [...leases, ...more]) {
          assert.isTrue(lease.isAlive(), lease.resource)
        }
        yield* Effect.forEach(leases, (lease) =>
          lease.release)
        yield* move(slotOf(key), to, from)
      }),
    120_000
  )

  it.live(
    "holds nothing on the word of a node that has lost its place and does not know it yet",
    () =>
      Effect.gen(function*() {
        const { nodes } = replicated
        const options = { ...replicated.options, commandTimeout: "10 seconds" } as const
        const [first, , , second = first] = nodes
        const resource = neighbours(3, 1)[0] ?? ""
        const old = yield* masterOf(`heddle:{${resource}}`, nodes)
        const young = old === first ? second : first
        yield* replicates(young)
        const late = yield* store(options)
        // A first lease, so that the way to the node is known.
        yield* Effect.scoped(late.claim({ resource: neighbours(3, 2)[1] ?? "" }))
        yield* Effect.acquireRelease(old.server.stop, () => Effect.orDie(old.server.continue))
        yield* isMaster(young)
        const others = nodes.filter((node) => node !== old)
        yield* serve(others)
        const inTurn = yield* store({ ...options, cluster: others.map(({ server }) => server.url) })
        const held = yield* inTime(inTurn.claim({ resource, ttl: "1 minute" }))
        const claim = yield* Effect.forkChild(late.claim({ resource, ttl: "1 minute" }))
        yield* Effect.sleep("100 millis")
        yield* old.server.continue
        yield* replicates(old)
        // It has its place in the line of the new master.
        yield* eventually(
          Effect.promise(() => young.client.hlen(`heddle:{${resource}}:w`).then((now) => now === 1, () => false))
        )
        assert.isUndefined(claim.pollUnsafe())
        yield* held.release
        const lease = yield* inTime(Fiber.join(claim))
        assert.isTrue(lease.token > held.token)
      }),
    90_000
  )

  it.live(
    "keeps a lease and its line over a failover, and reports one lost that the new master does not know",
    () =>
      Effect.gen(function*() {
        const { nodes } = replicated
        // A step waits for as long as a failover may take.
        const options = { ...replicated.options, commandTimeout: "10 seconds" } as const
        const [first, , , second = first] = nodes
        const resource = neighbours(0, 1)[0] ?? ""
        const [one, other] = [yield* store(options), yield* store(options)]

        const held = yield* one.claim({ resource, ttl: "1 minute" })
        const waiter = yield* Effect.forkChild(other.claim({ resource, ttl: "6 seconds" }))
        yield* Effect.promise(() => second.client.readonly())
        yield* eventually(Effect.promise(() => second.client.hlen(`heddle:{${resource}}:w`).then((now) => now === 1)))
        yield* first.server.kill
        yield* isMaster(second)
        yield* Effect.retry(held.release, { while: (error) => error._tag === "StoreUnavailable" })
        const lease = yield* inTime(Fiber.join(waiter))
        assert.isTrue(lease.token > held.token)

        yield* first.server.restart()
        yield* replicates(first)
        yield* Effect.promise(() => first.client.config("SET", "masterauth", "not the password"))
        yield* Effect.promise(() => first.client.call("CLIENT", "KILL", "TYPE", "master"))
        const forgotten = yield* one.claim({ resource: neighbours(0, 2)[1] ?? "", ttl: "9 seconds" })
        const section = yield* Effect.forkChild(Effect.flip(forgotten.run(Effect.never)))
        yield* second.server.kill
        const lost = yield* inTime(Fiber.join(section))
        assert.strictEqual(lost.reason, "revoked")
        const next = yield* inTime(other.claim({ resource: forgotten.resource }))
        assert.isTrue(next.token > forgotten.token)
        yield* second.server.restart()
      }),
    90_000
  )
})

describe("the connection to a cluster", () => {
  const failing = (options: RedisLeaseStore.Options) =>
    inTime(Effect.flip(Effect.scoped(Layer.build(RedisLeaseStore.layer(options)))))

  it.live("is refused with a wrong password, and the error says so and keeps it to itself", () =>
    Effect.gen(function*() {
      yield* Effect.acquireRelease(
        onAll((redis) => redis.call("ACL", "SETUSER", "heddle", "on", ">right", "~*", "&*", "+@all")),
        () => onAll((redis) => redis.call("ACL", "DELUSER", "heddle"))
      )
      const error = yield* failing({ cluster, username: "heddle", password: Redacted.make("wr0ng") })
      assert.match(error.message, /password/)
      assert.notInclude(JSON.stringify(error), "wr0ng")
      const one = yield* store({ cluster: cluster.map((url) => url.replace("//", "//heddle:right@")) })
      const other = yield* store()
      const holder = yield* one.claim({ resource: "password" })
      const waiter = yield* Effect.forkChild(one.claim({ resource: "password" }))
      yield* waiting("password", 1)
      assert.strictEqual((yield* other.inspect("password")).waiters.length, 1)
      yield* holder.release
      yield* Effect.flatMap(inTime(Fiber.join(waiter)), (lease) => lease.release)
    }))

  it.live("outlives the loss of a connection on which it asks for a slot that moves", () =>
    Effect.gen(function*() {
      const { commands } = yield* Redis.Redis
      const lost: Array<unknown> = []
      const heed = (reason: unknown) => lost.push(reason)
      yield* Effect.acquireRelease(
        Effect.sync(() => process.on("unhandledRejection", heed)),
        () => Effect.sync(() => process.off("unhandledRejection", heed))
      )
      const all = commands instanceof Cluster ? commands.nodes("master") : []
      assert.isAbove(all.length, 0)
      const ended = all.map((node) => new Promise((resolve) => node.once("end", resolve)))
      for (const node of all) node.disconnect()
      yield* inTime(Effect.promise(() => Promise.all(ended)))
      // As ioredis does it.
      for (const node of all) void node.asking()
      // Node tells of a promise that nobody heeds before the next turn of its loop is over.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(() => setImmediate(resolve))))
      assert.deepStrictEqual(lost, [])
    }).pipe(Effect.provide(Redis.layer({ cluster })), Effect.scoped))

  it.live("needs no more than one node that is up", () =>
    Effect.flatMap(
      store({ cluster: ["redis://127.0.0.1:1", cluster[0] ?? ""] }),
      (one) => Effect.flatMap(one.claim({ resource: "one node" }), (lease) => lease.release)
    ))

  it.live("fails in time when no node is up, or none is one of a cluster", () =>
    Effect.gen(function*() {
      const single = yield* Servers.redis
      const nobody = yield* failing({ cluster: ["redis://127.0.0.1:1"], connectTimeout: "1 second" })
      assert.match(nobody.message, /cannot be reached/)
      const alone = yield* failing({ cluster: [single.url], connectTimeout: "1 second" })
      assert.match(alone.message, /cluster support disabled/)
    }))

  it.live("must be said in one way, and has one database", () =>
    Effect.gen(function*() {
      const url = cluster[0] ?? ""
      assert.match((yield* failing({ cluster, url })).message, /in one way/)
      assert.match((yield* failing({ cluster, sentinel: { name: "heddle", urls: [url] } })).message, /in one way/)
      assert.match((yield* failing({ cluster: [] })).message, /at least one node/)
      assert.match((yield* failing({ cluster: ["nowhere"] })).message, /not an address/)
      assert.match((yield* failing({ cluster, db: 1 })).message, /one database/)
    }))
})

describe("a broker on a cluster", () => {
  it.live("carries messages of a subject in its shard, and says that it hears no patterns", () =>
    Effect.gen(function*() {
      const broker = yield* Broker.Broker
      const all = yield* Effect.forEach(["a", "b", "c.d"], (subject) => broker.subscribe(subject))
      yield* broker.publish(["a", "b", "c.d"].map((subject) => ({ subject, payload: Uint8Array.of(1) })))
      const heard = yield* Effect.forEach(all, ({ events }) => Stream.runHead(events)).pipe(
        Effect.timeout("50 seconds")
      )
      assert.deepStrictEqual(
        heard.map((one) => one._tag === "Some" && one.value._tag === "Message" ? one.value.subject : ""),
        ["a", "b", "c.d"]
      )
      assert.match((yield* Effect.flip(broker.subscribe("a.*"))).message, /no patterns/)
    }).pipe(Effect.scoped, Effect.provide(RedisBroker.layer({ cluster, commandTimeout: "2 seconds" }))))
})
