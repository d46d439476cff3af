import { afterAll, assert, describe, it } from "@effect/vitest"
import { type Server, Servers } from "@heddle/testkit"
import { kvStoreLaws, leaseStoreLaws } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { KvStore, LeaseStore } from "heddle/coordination"
import { Redis as Client } from "ioredis"
import { RedisKvStore, RedisLeaseStore } from "../src/index.ts"
import { kvKeys } from "../src/internal/kvSteps.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const node = (server: Server.Server) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Client(server.url).on("error", () => {})),
      (client) => Effect.sync(() => client.disconnect())
    ),
    (client) => ({ server, client })
  )
const start = Effect.gen(function*() {
  const { name, primary, replica, sentinels } = yield* Servers.redisSentinel
  const [first, second] = [yield* node(primary), yield* node(replica)]
  return { first, second, sentinel: { name, urls: sentinels.map(({ url }) => url) }, sentinels }
})
const { first, second, sentinel, sentinels } = await Effect.runPromise(Scope.provide(start, scope))
type Node = typeof first

const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.timeout(effect, "100 seconds")

const eventually = <E, R>(check: Effect.Effect<boolean, E, R>) =>
  inTime(Effect.repeat(check, { until: (yes) => yes, schedule: Schedule.spaced("5 millis") }))

const on = <A>({ client }: Node, use: (client: Client) => Promise<A>): Effect.Effect<A> =>
  Effect.promise(() => use(client))

// A step waits for as long as a failover may take, on a machine that does ten other things too.
const options = { sentinel, commandTimeout: "30 seconds", heartbeat: "200 millis" } as const

leaseStoreLaws("redis sentinel", RedisLeaseStore.layer(options), {
  shared: true,
  weighted: true,
  resizable: true,
  fair: true,
  described: true,
  forget: (resource) => on(first, (redis) => redis.del(`heddle:{${resource}}`)),
  wipe: on(first, (redis) => redis.flushall()),
  remnants: on(first, (redis) => redis.dbsize())
})

kvStoreLaws("redis sentinel", RedisKvStore.layer({ sentinel, commandTimeout: "30 seconds" }), {
  shared: true,
  compact: on(first, (redis) => redis.del(kvKeys("heddle").keys[5] ?? "")),
  leastTtl: 600
})

const store = (more: RedisLeaseStore.Options = {}) =>
  Effect.map(
    Layer.build(Layer.fresh(RedisLeaseStore.layer({ ...options, ...more }))),
    Context.get(LeaseStore.LeaseStore)
  )

const keys = Effect.map(
  Layer.build(Layer.fresh(RedisKvStore.layer({ sentinel, commandTimeout: "30 seconds" }))),
  Context.get(KvStore.KvStore)
)

const replication = (node: Node, what: RegExp) =>
  eventually(on(node, (redis) => redis.info("replication").then((found) => what.test(found), () => false)))
const isPrimary = (node: Node) => replication(node, /role:master/)
const replicates = (node: Node) => replication(node, /role:slave[^]*master_link_status:up/)

/** Completes when all sentinels agree that this one is the primary, and know its replica. */
const known = ({ server }: Node) =>
  Effect.forEach(sentinels, (one) =>
    Effect.scoped(Effect.flatMap(
      Effect.acquireRelease(
        Effect.sync(() => new Client(one.url)),
        (client) => Effect.sync(() => client.disconnect())
      ),
      (client) =>
        eventually(Effect.promise(async () => {
          const address = await client.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinel.name)
          return String(address).endsWith(`,${server.port}`)
        }))
    )))

describe("a lease store behind Redis Sentinel", () => {
  it.live("goes on with the next primary, which knows the leases and the line", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store(), yield* store()]
      const held = yield* one.claim({ resource: "known", ttl: "1 minute" })
      const waiter = yield* Effect.forkChild(other.claim({ resource: "known" }))
      yield* eventually(on(second, (redis) => redis.hlen("heddle:{known}:w").then((now) => now === 1)))
      yield* first.server.kill
      yield* isPrimary(second)
      yield* Effect.retry(held.release, { while: (error) => error._tag === "StoreUnavailable" })
      const lease = yield* inTime(Fiber.join(waiter))
      assert.isTrue(lease.token > held.token)
      yield* lease.release
      yield* first.server.restart()
      yield* replicates(first)
    }), 120_000)

  it.live("reports a lease lost that the next primary does not know", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store(), yield* store()]
      yield* known(second)
      yield* on(first, (redis) => redis.config("SET", "masterauth", "not the password"))
      yield* on(first, (redis) => redis.call("CLIENT", "KILL", "TYPE", "master"))
      const forgotten = yield* one.claim({ resource: "forgotten", ttl: "30 seconds" })
      const section = yield* Effect.forkChild(Effect.flip(forgotten.run(Effect.never)))
      yield* second.server.kill
      const lost = yield* inTime(Fiber.join(section))
      assert.strictEqual(lost.reason, "revoked")
      const next = yield* inTime(other.claim({ resource: "forgotten" }))
      assert.isTrue(next.token > forgotten.token)
      yield* next.release
      yield* on(first, (redis) => redis.config("SET", "masterauth", ""))
      yield* second.server.restart()
      yield* replicates(second)
    }), 120_000)

  it.live("leaves a primary that has become a replica, and whose connections live on", () =>
    Effect.gen(function*() {
      const [one, kv] = [yield* store(), yield* keys]
      yield* known(first)
      yield* Effect.flatMap(one.claim({ resource: "demoted" }), (lease) => lease.release)
      yield* kv.put("demoted", new Uint8Array([1]))
      yield* on(first, (redis) => redis.failover())
      yield* isPrimary(second)
      yield* Effect.flatMap(inTime(one.claim({ resource: "demoted" })), (lease) => lease.release)
      yield* inTime(kv.put("demoted", new Uint8Array([2])))
    }), 120_000)
})

describe("the connection through sentinels", () => {
  const failing = (options: RedisLeaseStore.Options) =>
    inTime(Effect.flip(Effect.scoped(Layer.build(RedisLeaseStore.layer(options)))))

  it.live("needs a name that they know, and one of them at least", () =>
    Effect.gen(function*() {
      for (const wrong of [{ name: "", urls: sentinel.urls }, { name: "heddle", urls: [] }]) {
        assert.match((yield* failing({ sentinel: wrong })).message, /`sentinel` must have the name/)
      }
      const unknown = { name: "unknown", urls: sentinel.urls }
      const error = yield* failing({ sentinel: unknown, connectTimeout: "1 second" })
      assert.strictEqual(error._tag, "StoreUnavailable")
      assert.match(error.message, /the primary of unknown/)
    }))

  it.live("connects when some of them are down", () =>
    Effect.gen(function*() {
      yield* sentinels[0].kill
      yield* Effect.flatMap(store(), (one) => Effect.flatMap(one.claim({ resource: "down" }), (lease) => lease.release))
      yield* sentinels[0].restart()
    }), 120_000)
})
