import { afterAll, assert, describe, it } from "@effect/vitest"
import { FaultProxy, Servers } from "@heddle/testkit"
import { leaseStoreLaws } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { DistributedLock, LeaseStore } from "heddle/coordination"
import { Redis } from "ioredis"
import { RedlockLeaseStore } from "../src/index.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const quorumOf = (count: number) =>
  Effect.gen(function*() {
    const servers = yield* Servers.redisNodes(count)
    const nodes = yield* Effect.forEach(servers, (server) =>
      Effect.gen(function*() {
        const proxy = yield* FaultProxy.make(server)
        const client = yield* Effect.acquireRelease(
          Effect.sync(() => {
            const client = new Redis(server.url)
            client.on("error", () => {})
            return client
          }),
          (client) => Effect.sync(() => client.disconnect())
        )
        return { server, proxy, client, url: `redis://127.0.0.1:${proxy.port}` }
      }))
    const onAll = <A, E, R>(run: (node: (typeof nodes)[number]) => Effect.Effect<A, E, R>) =>
      Effect.forEach(nodes, run, { concurrency: "unbounded" })
    const admin = <A>(use: (client: Redis) => Promise<A>) => onAll(({ client }) => Effect.promise(() => use(client)))
    const options: RedlockLeaseStore.Options = {
      urls: nodes.map(({ url }) => url),
      restartDelay: 0,
      longestTtl: "1 day",
      nodeTimeout: "2 seconds",
      heartbeat: "200 millis"
    }
    const [first, second] = nodes
    if (first === undefined || second === undefined) return yield* Effect.die("there are three nodes")
    return { first, second, nodes, onAll, admin, options }
  })

const { admin, first, nodes, onAll, options, second } = await Effect.runPromise(Scope.provide(quorumOf(3), scope))

const abilities = {
  shared: true,
  described: true,
  worker: {
    module: new URL("fixtures/redlockWorker.ts", import.meta.url),
    env: { REDLOCK_URLS: nodes.map(({ url }) => url).join() }
  },
  forget: (resource: string) => Effect.asVoid(admin((redis) => redis.del(`heddle:{${resource}}`))),
  wipe: Effect.asVoid(admin((redis) => redis.flushall())),
  restart: Effect.asVoid(onAll(({ server }) => server.restart())),
  cut: Effect.acquireRelease(
    Effect.asVoid(onAll(({ proxy }) => proxy.cut("both"))),
    () => Effect.asVoid(onAll(({ proxy }) => proxy.heal))
  ),
  remnants: Effect.map(
    admin((redis) => redis.keys("*")),
    (all) => all.flat().filter((key) => !key.endsWith(":f")).length
  )
} as const

leaseStoreLaws("a Redlock", RedlockLeaseStore.layerFenced(options), abilities)

const store = (more: Partial<RedlockLeaseStore.Options> = {}) =>
  Effect.map(
    Layer.build(Layer.fresh(RedlockLeaseStore.layer({ ...options, ...more }))),
    Context.get(LeaseStore.LeaseStore)
  )

const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.timeout(effect, "50 seconds")
const eventually = <E, R>(check: Effect.Effect<boolean, E, R>) =>
  inTime(Effect.repeat(check, { until: (yes) => yes, schedule: Schedule.spaced("5 millis") }))
const holdersOf = (resource: string) =>
  Effect.map(admin((redis) => redis.exists(`heddle:{${resource}}`)), (all) => all.join(""))
const isClaim = (chunk: string) => chunk.includes("evalsha")

describe("a lease store on a quorum of Redis nodes", () => {
  it.live("grants with one node cut off, and that node votes as soon as it is back", () =>
    Effect.gen(function*() {
      const one = yield* store()
      yield* first.proxy.cut("both")
      const lease = yield* inTime(one.claim({ resource: "cut", ttl: 600 }))
      assert.strictEqual(yield* holdersOf("cut"), "011")
      yield* first.proxy.heal
      yield* eventually(Effect.map(holdersOf("cut"), (now) => now === "111"))
      yield* lease.release
    }))

  it.live("grants nothing where most nodes are cut off, and leaves nothing on the others", () =>
    Effect.gen(function*() {
      const one = yield* store({ nodeTimeout: "200 millis" })
      yield* Effect.forEach([first, second], ({ proxy }) => proxy.refuse)
      yield* Effect.forEach([first, second], ({ proxy }) => proxy.reset)
      const refused = yield* Effect.flip(one.tryClaim({ resource: "minority" }))
      assert.deepInclude(refused, { _tag: "StoreUnavailable", backend: "redlock" })
      yield* eventually(Effect.map(holdersOf("minority"), (now) => now === "000"))
      yield* onAll(({ proxy }) => proxy.heal)
      const tried = Effect.orElseSucceed(one.tryClaim({ resource: "minority" }), () => Option.none())
      yield* eventually(Effect.map(tried, Option.isSome))
    }).pipe(Effect.ensuring(onAll(({ proxy }) => proxy.heal))))

  it.live("gives back a vote whose answer was lost, and recognises its own when it asks again", () =>
    Effect.gen(function*() {
      const one = yield* store({ nodeTimeout: "300 millis" })
      const lost = yield* Effect.forEach([first, second], ({ proxy }) => proxy.dropReply(isClaim))
      const claim = yield* Effect.forkChild(one.claim({ resource: "lost" }))
      yield* inTime(Effect.forEach(lost, (executed) => executed))
      yield* onAll(({ proxy }) => proxy.heal)
      const lease = yield* inTime(Fiber.join(claim))
      yield* lease.release
      yield* eventually(Effect.map(holdersOf("lost"), (now) => now === "000"))
    }).pipe(Effect.ensuring(onAll(({ proxy }) => proxy.heal))))

  it.live("does not count the vote of a node that has just started", () =>
    Effect.gen(function*() {
      const fresh = yield* store({ restartDelay: "1 hour", longestTtl: "1 minute" })
      const refused = yield* Effect.flip(fresh.tryClaim({ resource: "young" }))
      assert.deepInclude(refused, { _tag: "StoreUnavailable", backend: "redlock" })
      assert.include(String(refused.message), "restartDelay")
      assert.strictEqual(yield* holdersOf("young"), "000")
    }))

  it.live("holds on while one node after the other is killed and comes back with its data", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const other = yield* store()
      // A node whose connection is not back yet has no vote: it is asked again until most have one.
      const answered = <A, E, R>(step: Effect.Effect<A, E, R>) =>
        inTime(Effect.retry(step, Schedule.spaced("20 millis")))
      const lease = yield* answered(one.claim({ resource: "rolling", ttl: "30 seconds" }))
      for (const { proxy, server } of nodes) {
        const open = yield* proxy.connections
        yield* server.restart()
        yield* eventually(Effect.map(proxy.connections, (now) => now === open))
        assert.isTrue(Option.isNone(yield* answered(other.tryClaim({ resource: "rolling" }))))
      }
      assert.isTrue(lease.isAlive())
      yield* lease.release
    }))

  it.live("lets nobody in beside another, among stores that ask at once", () =>
    Effect.gen(function*() {
      const stores = yield* Effect.forEach([1, 2, 3, 4], () => store())
      let inside = 0
      let count = 0
      const section = Effect.gen(function*() {
        assert.strictEqual(++inside, 1)
        yield* Effect.yieldNow
        inside--
        count++
      })
      const visits = stores.map((one) =>
        DistributedLock.withLock("crowd")(section).pipe(
          Effect.repeat({ times: 9 }),
          Effect.provideService(LeaseStore.LeaseStore, one)
        )
      )
      yield* inTime(Effect.all(visits, { concurrency: "unbounded" }))
      assert.strictEqual(count, 40)
    }))

  it.live("refuses what a quorum cannot arbitrate, and a ttl that a restarted node could forget", () =>
    Effect.gen(function*() {
      const one = yield* store({ longestTtl: "1 minute" })
      const field = (request: object) =>
        Effect.map(
          Effect.flip(one.tryClaim({ resource: "part", ...request })),
          (error) => error._tag === "InvalidClaim" ? error.field : error._tag
        )
      assert.strictEqual(yield* field({ limit: 2 }), "limit")
      assert.strictEqual(yield* field({ ttl: "2 minutes" }), "ttl")
      assert.deepInclude(yield* Effect.flip(one.resize("part", 2)), { _tag: "InvalidClaim", field: "limit" })
    }))

  it.live("fails to build where there is no node, or an address that means nothing", () =>
    Effect.gen(function*() {
      for (const urls of [[], ["not an address"]]) {
        const error = yield* Effect.flip(store({ urls }))
        assert.deepInclude(error, { _tag: "StoreUnavailable" })
      }
    }))
})
