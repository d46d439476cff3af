import { afterAll, assert, describe, it } from "@effect/vitest"
import { leaseStoreLaws } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { LeaseStore } from "heddle/coordination"
import type { LeaseBackend } from "heddle/coordination"
import { Redis as Client } from "ioredis"
import { Redis, RedisLeaseStore } from "../src/index.ts"
import { redisSteps } from "../src/internal/leaseSteps.ts"
import * as RedisTest from "./RedisTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { admin, proxy, server, url } = await Effect.runPromise(Scope.provide(RedisTest.make, scope))

const options = { url, commandTimeout: "2 seconds", heartbeat: "200 millis" } as const
const heal = () => proxy.heal
const isPush = (chunk: string) => chunk.includes("heddle:inbox:")

leaseStoreLaws("redis", RedisLeaseStore.layer(options), {
  shared: true,
  weighted: true,
  resizable: true,
  fair: true,
  described: true,
  worker: { module: new URL("fixtures/leaseWorker.ts", import.meta.url), env: { REDIS_URL: url } },
  forget: (resource) => admin((redis) => redis.del(`heddle:{${resource}}`)),
  wipe: admin((redis) => redis.flushall()),
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), heal),
  dropPushes: Effect.acquireRelease(proxy.dropMatching("down", isPush), heal),
  remnants: admin((redis) => redis.dbsize())
})

const store = (more: RedisLeaseStore.Options = {}) =>
  Effect.map(
    Layer.build(Layer.fresh(RedisLeaseStore.layer({ ...options, ...more }))),
    Context.get(LeaseStore.LeaseStore)
  )

const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.timeout(effect, "50 seconds")

const eventually = <E, R>(check: Effect.Effect<boolean, E, R>) =>
  inTime(Effect.repeat(check, { until: (yes) => yes, schedule: Schedule.spaced("5 millis") }))

/** Completes when this many wait for the resource. */
const waiting = (resource: string, count: number) =>
  eventually(Effect.map(admin((redis) => redis.hlen(`heddle:{${resource}}:w`)), (now) => now === count))

const calls = Effect.map(
  admin((redis) => redis.info("commandstats")),
  (stats) => Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0)
)

const isClaim = (chunk: string) => chunk.includes("evalsha")

describe("a lease store on Redis", () => {
  it.live("renews a hundred leases in one call", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const resources = Array.from({ length: 100 }, (_, n) => `hundred ${n}`)
      const ttl = "900 millis"
      const leases = yield* Effect.forEach(resources, (resource) => one.claim({ resource, ttl }), {
        concurrency: "unbounded"
      })
      const before = yield* calls
      yield* eventually(Effect.map(calls, (now) => now > before))
      assert.isTrue(leases.every((lease) => lease.isAlive()))
      assert.strictEqual((yield* calls) - before, 1)
    }))

  it.live("cuts what is too much for one call into parts alike", () =>
    Effect.gen(function*() {
      const redis = yield* Effect.map(Layer.build(Redis.layer(options)), Context.get(Redis.Redis))
      const steps = yield* redisSteps(redis, settings)("parts")
      const sizes: Array<number> = []
      if (!(redis.commands instanceof Client)) return yield* Effect.die("one server")
      const { commands } = redis
      const send = commands.sendCommand.bind(commands)
      commands.sendCommand = (command, stream) => {
        if (command.name === "evalsha") sizes.push(Number(command.args[1]))
        return send(command, stream)
      }
      const claims = Array.from({ length: 205 }, (_, n) => claimOf(`parts:${n}`, `parts-${n}`))
      const answers = yield* Effect.forEach(claims, steps.ask, { concurrency: "unbounded" })
      assert.deepStrictEqual(sizes, [69, 69, 67])
      assert.isTrue(answers.every(({ _tag }) => _tag === "Granted"))
      yield* Effect.forEach(claims, steps.release, { concurrency: "unbounded" })
    }))

  it.live("takes a free lease and gives it back in one call each, two together in one", () =>
    Effect.gen(function*() {
      const one = yield* store()
      yield* Effect.flatMap(one.claim({ resource: "calls" }), (lease) => lease.release)
      const before = yield* calls
      let lease = yield* one.claim({ resource: "calls" })
      for (let turn = 0; turn < 10; turn++) {
        lease.releaseUnsafe()
        lease = yield* one.claim({ resource: "calls" })
      }
      assert.strictEqual((yield* calls) - before, 11)
      yield* lease.release
    }))

  it.live("gives back at once what it had to wait for: others may wait", () =>
    Effect.gen(function*() {
      const one = yield* store({ heartbeat: "10 seconds" })
      const first = yield* one.claim({ resource: "urgent" })
      const waiter = yield* Effect.forkScoped(one.claim({ resource: "urgent" }))
      yield* waiting("urgent", 1)
      yield* first.release
      const lease = yield* inTime(Fiber.join(waiter))
      const before = yield* calls
      lease.releaseUnsafe()
      const again = yield* one.claim({ resource: "urgent" })
      assert.strictEqual((yield* calls) - before, 2)
      yield* again.release
    }))

  it.live("goes on after the server has forgotten its scripts", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const first = yield* one.claim({ resource: "flushed" })
      yield* admin((redis) => redis.script("FLUSH"))
      yield* first.release
      yield* admin((redis) => redis.script("FLUSH"))
      const both = yield* Effect.all([one.claim({ resource: "flushed" }), one.claim({ resource: "flushed-2" })], {
        concurrency: 2
      })
      yield* Effect.forEach(both, (lease) => lease.release)
    }))

  it.live("grants a claim whose answer was lost once, and it comes free", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const executed = yield* proxy.dropReply(isClaim)
      const claim = yield* Effect.forkChild(one.claim({ resource: "unanswered" }))
      yield* inTime(executed)
      yield* proxy.heal
      const lease = yield* inTime(Fiber.join(claim))
      assert.deepStrictEqual((yield* one.inspect("unanswered")).holders.map((it) => it.id), [lease.id])
      yield* lease.release
      assert.strictEqual(yield* admin((redis) => redis.exists("heddle:{unanswered}")), 0)
    }))

  it.live("replaces a connection that has fallen silent, and asks again on the next", () =>
    Effect.gen(function*() {
      const one = yield* store()
      let silent = false
      yield* proxy.dropReply((chunk) => isClaim(chunk) && !silent && (silent = true))
      const lease = yield* inTime(Effect.ensuring(one.claim({ resource: "silent" }), proxy.heal))
      assert.isTrue(silent)
      yield* lease.release
    }))

  it.live("does not close before a release is through that has to wait for a connection", () =>
    Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const one = yield* store()
        const lease = yield* Scope.provide(one.claim({ resource: "closing" }), scope)
        yield* proxy.refuse
        yield* proxy.reset
        yield* eventually(Effect.map(proxy.connections, (open) => open === 0))
        lease.releaseUnsafe()
        yield* Effect.forkIn(Effect.delay(proxy.heal, 50), scope)
      }))
      assert.strictEqual(yield* admin((redis) => redis.exists("heddle:{closing}")), 0)
    }))

  it.live("takes back a claim that was given up before its answer was lost", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const executed = yield* proxy.dropReply(isClaim)
      const claim = yield* Effect.forkChild(one.claim({ resource: "given up", ttl: "1 hour" }))
      yield* inTime(executed)
      yield* Fiber.interrupt(claim)
      yield* proxy.heal
      const next = yield* inTime(one.claim({ resource: "given up" }))
      yield* next.release
    }))

  it.live("refuses a claim that arrives after it was given up", () =>
    Effect.gen(function*() {
      const redis = yield* Effect.map(Layer.build(Redis.layer(options)), Context.get(Redis.Redis))
      const steps = yield* redisSteps(redis, settings)("late")
      const executed = yield* proxy.dropReply(isClaim)
      const first = yield* Effect.forkChild(steps.ask(claimOf("late:1", "late")))
      yield* inTime(executed)
      yield* admin((client) => client.flushall())
      yield* Fiber.interrupt(first)
      steps.abandonUnsafe(claimOf("late:1", "late"))
      yield* proxy.heal
      yield* eventually(Effect.map(admin((client) => client.exists("heddle:{late}")), (found) => found === 1))
      assert.deepStrictEqual(yield* steps.ask(claimOf("late:1", "late")), { _tag: "Busy" })
    }))

  it.live("hears of its turn again after its subscription was lost", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store({ heartbeat: "1 hour" }), yield* store({ heartbeat: "1 hour" })]
      const holder = yield* other.claim({ resource: "subscription", ttl: "1 hour" })
      const waiter = yield* Effect.forkChild(one.claim({ resource: "subscription" }))
      yield* waiting("subscription", 1)
      yield* admin((redis) => redis.call("CLIENT", "KILL", "TYPE", "pubsub"))
      yield* eventually(
        Effect.map(admin((redis) => redis.pubsub("CHANNELS", "heddle:inbox:*")), (found) => found.length === 2)
      )
      yield* holder.release
      yield* Effect.flatMap(inTime(Fiber.join(waiter)), (lease) => lease.release)
    }))

  it.live("does not take a push that has outlived its lease for a grant of the place that it has in line now", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store({ heartbeat: "1 hour" }), yield* store()]
      const pushes: Array<string> = []
      const first = yield* other.claim({ resource: "late", ttl: "1 hour" })
      const waiter = yield* Effect.forkChild(one.claim({ resource: "late", ttl: 500 }))
      yield* waiting("late", 1)
      const next = yield* Effect.forkChild(other.claim({ resource: "late", ttl: "1 hour" }))
      yield* waiting("late", 2)
      yield* proxy.dropMatching("down", (chunk) => isPush(chunk) && pushes.push(chunk) === 1)
      yield* first.release
      const second = yield* inTime(Fiber.join(next))
      // A new connection asks again, and stands in line anew: its lease is over.
      yield* admin((redis) => redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
      yield* waiting("late", 1)
      yield* inTime(Effect.retry(one.inspect("late"), { while: (error) => error._tag === "StoreUnavailable" }))
      const [, inbox = "", message = ""] = /(heddle:inbox:\S+)\r\n\$\d+\r\n([^\r]+)/.exec(pushes[0] ?? "") ?? []
      assert.strictEqual(yield* admin((redis) => redis.publish(inbox, message)), 1)
      yield* second.release
      const lease = yield* inTime(Fiber.join(waiter))
      assert.isTrue(lease.token > second.token)
      yield* lease.release
    }))

  it.live("learns the token of a grant of which little is left, also when it was granted anew meanwhile", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store({ heartbeat: "1 hour" }), yield* store()]
      const pushes: Array<string> = []
      const first = yield* other.claim({ resource: "short" })
      const waiter = yield* Effect.forkChild(one.claim({ resource: "short" }))
      yield* waiting("short", 1)
      yield* proxy.dropMatching("down", (chunk) => isPush(chunk) && pushes.push(chunk) === 1)
      yield* first.release
      yield* waiting("short", 0)
      const [holder] = (yield* other.inspect("short")).holders
      const [, inbox = "", id = ""] = /(heddle:inbox:\S+)\r\n\$\d+\r\n(\S+) /.exec(pushes[0] ?? "") ?? []
      yield* admin((redis) => redis.publish(inbox, `${id} ${(holder?.token ?? 0n) - 1n} 1`))
      const lease = yield* inTime(Fiber.join(waiter))
      assert.strictEqual(lease.token, holder?.token)
      assert.isTrue(lease.isAlive())
      yield* lease.release
    }))

  it.live("serves all claims while their connections are killed", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const claims = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 500 }), (_, n) =>
          LeaseStore.withLease({ resource: `killed-${n % 5}` }, () => Effect.yieldNow), { concurrency: 50 }).pipe(
            Effect.provideService(LeaseStore.LeaseStore, one)
          )
      )
      yield* Effect.forEach([1, 2, 3], () =>
        Effect.andThen(
          admin((redis) =>
            redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
          ),
          eventually(Effect.map(proxy.connections, (open) => open === 2))
        ))
      yield* inTime(Fiber.join(claims))
      yield* eventually(Effect.map(admin((redis) => redis.keys("heddle:{killed*")), (left) => left.length === 0))
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

  it.live("holds for exactly the ttl, also for less than a second", () =>
    Effect.gen(function*() {
      const one = yield* store()
      for (const ttl of [300, 900]) {
        const lease = yield* one.claim({ resource: `ttl-${ttl}`, ttl })
        const left = yield* admin((redis) => redis.pttl(`heddle:{ttl-${ttl}}`))
        assert.isAtMost(left, ttl + 2)
        assert.isAbove(left, 0)
        assert.isTrue(lease.isAlive())
        yield* lease.release
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

  it.live("leaves no key behind when releases and renewals race", () =>
    Effect.gen(function*() {
      const redis = yield* Effect.map(Layer.build(Redis.layer(options)), Context.get(Redis.Redis))
      const steps = yield* redisSteps(redis, settings)("race")
      yield* Effect.forEach(Array.from({ length: 10_000 }), (_, n) =>
        Effect.gen(function*() {
          const claim = claimOf(`race:${n}`, `race-${n % 100}-${n % 3}`)
          yield* steps.ask(claim)
          const early = yield* Effect.forkChild(steps.renew([claim]), { startImmediately: n % 2 === 0 })
          steps.releaseUnsafe(claim)
          yield* Effect.all([Fiber.join(early), steps.renew([claim])], { concurrency: 2 })
        }), { concurrency: 300 })
      yield* eventually(Effect.map(admin((client) => client.keys("heddle:{race-*")), (left) => left.length === 0))
    }))

  it.live("keeps apart what a key could mix up", () =>
    Effect.gen(function*() {
      const one = yield* store()
      const names = ["a}b", "a%7db", "a{b", "}", "{}", "a:q", "a", "ä", "*", "a b\n"]
      const leases = yield* Effect.forEach(names, (resource) => one.claim({ resource, waitFor: 0 }))
      assert.deepStrictEqual(
        (yield* Effect.forEach(names, (resource) => one.inspect(resource))).map(({ holders }) => holders[0]?.id),
        leases.map((lease) => lease.id)
      )
      yield* Effect.forEach(leases, (lease) => lease.release)
    }))

  it.live("warns when the server may evict leases", () =>
    Effect.gen(function*() {
      const logged: Array<unknown> = []
      const logger = Logger.make(({ message }) => {
        logged.push(message)
      })
      yield* Effect.acquireRelease(
        admin((redis) => Promise.all([redis.config("SET", "maxmemory", "1gb"), policy(redis, "allkeys-lru")])),
        () => admin((redis) => Promise.all([redis.config("SET", "maxmemory", "0"), policy(redis, "noeviction")]))
      )
      yield* store().pipe(Effect.provide(Logger.layer([logger])))
      assert.include(String(logged), "allkeys-lru")
    }))
})

describe("the connection to Redis", () => {
  const failing = (options: RedisLeaseStore.Options) =>
    inTime(Effect.flip(Effect.scoped(Layer.build(RedisLeaseStore.layer(options)))))

  it.live("is refused with a wrong password, and the error says so and keeps it to itself", () =>
    Effect.gen(function*() {
      yield* Effect.acquireRelease(
        admin((redis) => redis.call("ACL", "SETUSER", "heddle", "on", ">right", "~*", "&*", "+@all")),
        () => admin((redis) => redis.call("ACL", "DELUSER", "heddle"))
      )
      const secret = { host: server.host, port: server.port, username: "heddle" }
      const error = yield* failing({ ...secret, password: Redacted.make("wr0ng") })
      assert.strictEqual(error._tag, "StoreUnavailable")
      assert.match(error.message, /password/)
      assert.notInclude(JSON.stringify(error), "wr0ng")
      yield* Layer.build(RedisLeaseStore.layer({ ...secret, password: Redacted.make("right") }))
      yield* Layer.build(RedisLeaseStore.layer({ url: server.url.replace("//", "//heddle:right@") }))
    }))

  it.live("fails when nobody listens there", () =>
    Effect.gen(function*() {
      yield* Effect.acquireRelease(proxy.refuse, heal)
      const error = yield* failing({ url })
      assert.match(error.message, /cannot be reached.*ECONNREFUSED/)
    }))

  it.live("fails in time when nobody answers there", () =>
    Effect.gen(function*() {
      yield* Effect.acquireRelease(proxy.cut("both"), heal)
      const error = yield* failing({ url, connectTimeout: "200 millis" })
      assert.match(error.message, /did not answer in time/)
    }))

  it.live("fails when the url is none", () =>
    Effect.map(failing({ url: "nowhere" }), (error) => assert.match(error.message, /not an address/)))
})

const settings = { prefix: "heddle", owner: "test", heartbeat: 200, timeout: 2000 }

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

const policy = (redis: { readonly config: (...args: ["SET", string, string]) => Promise<unknown> }, name: string) =>
  redis.config("SET", "maxmemory-policy", name)
