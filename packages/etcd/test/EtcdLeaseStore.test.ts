import { assert, describe, it } from "@effect/vitest"
import { FaultProxy, Servers } from "@heddle/testkit"
import { allAbilities, leaseStoreLaws } from "@heddle/testkit/laws"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Lease, LeaseStore } from "heddle/coordination"
import { afterAll } from "vitest"
import { Etcd, EtcdLeaseStore, EtcdOp } from "../src/index.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const inScope = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Scope.provide(effect, scope))

const prefix = "laws"
const server = await inScope(Servers.etcd)
const lawProxy = await inScope(FaultProxy.make(server))
const etcd = await inScope(Effect.map(Layer.build(Etcd.layer({ url: server.url })), Context.get(Etcd.Etcd)))

const count = (keys: EtcdOp.KeyRange) =>
  Effect.map(etcd.range({ ...keys, countOnly: true }), ({ count }) => Number(count))
const all = EtcdOp.prefix(`${prefix}/`)
const room = (resource: string) => EtcdOp.prefix(`${prefix}/${encodeURIComponent(resource)}/`)

leaseStoreLaws(
  "etcd",
  EtcdLeaseStore.layer({ url: `http://127.0.0.1:${lawProxy.port}`, prefix, requestTimeout: "2 seconds" }),
  {
    shared: true,
    ...allAbilities,
    worker: {
      module: new URL("./fixtures/leaseWorker.ts", import.meta.url),
      env: { URL: server.url, PREFIX: prefix }
    },
    forget: (resource) => etcd.deleteRange(room(resource)),
    wipe: etcd.deleteRange(all),
    restart: server.restart(),
    cut: Effect.acquireRelease(lawProxy.cut("both"), () => lawProxy.heal),
    remnants: Effect.zipWith(
      count(all),
      count(EtcdOp.prefix(`${prefix}/%session/`)),
      (all, sessions) => all - sessions
    )
  }
)

type Store = LeaseStore.LeaseStore["Service"]

const open = <E>(layer: Layer.Layer<LeaseStore.LeaseStore, E>) =>
  Effect.map(Layer.build(Layer.fresh(layer)), Context.get(LeaseStore.LeaseStore))

const direct = open(EtcdLeaseStore.layer({ url: server.url, prefix }))

/** Only a hang reaches the deadline. */
const inTime = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>) =>
  Effect.timeoutOrElse(effect, {
    duration: "50 seconds",
    orElse: () => Effect.die(new Error(`this did not happen within 50 seconds: ${what}`))
  })

const eventually = <E, R>(what: string, check: Effect.Effect<boolean, E, R>) =>
  inTime(what, Effect.repeat(check, { until: (yes) => yes, schedule: Schedule.spaced("5 millis") }))

const line = (store: Store, resource: string, length: number) =>
  inTime(
    `${length} stand in line`,
    Stream.runDrain(Stream.takeUntil(store.changes(resource), ({ waiters }) => waiters.length === length))
  )

/** Starts claims one after another, each when the one before stands in line. */
const standInLine = (store: Store, request: Lease.ClaimRequest, claims = 1) =>
  Effect.gen(function*() {
    const before = (yield* store.inspect(request.resource)).waiters.length
    const fibers: Array<Fiber.Fiber<Lease.Lease, Lease.ClaimError>> = []
    for (let n = 1; n <= claims; n++) {
      fibers.push(yield* Effect.forkScoped(store.claim(request)))
      yield* line(store, request.resource, before + n)
    }
    return fibers
  })

const served = <A, E>(waiter: Fiber.Fiber<A, E> | undefined) =>
  waiter === undefined ? Effect.die(new Error("nobody waits")) : inTime("the waiter is served", Fiber.join(waiter))

const held = (lease: Lease.Lease) =>
  Effect.gen(function*() {
    const started = yield* Deferred.make<void>()
    const section = Effect.andThen(Deferred.succeed(started, undefined), Effect.never)
    const fiber = yield* Effect.forkScoped(lease.run(section))
    yield* Deferred.await(started)
    return inTime("the section ends", Effect.flip(Fiber.join(fiber)))
  })

const leaseOf = (resource: string, index: number) =>
  Effect.map(etcd.range({ ...room(resource), sortBy: "createRevision" }), ({ kvs }) => kvs[index]?.lease ?? 0n)

const gateway = (path: string, body: object) =>
  Effect.promise(async () => {
    const response = await fetch(`${server.url}/v3/${path}`, { method: "POST", body: JSON.stringify(body) })
    const text = await response.text()
    assert.isTrue(response.ok, text)
    return text
  })

let resources = 0
const unique = () => `own-${resources++}`

describe("etcd alone", () => {
  it.live("a waiter is served although the revision it watched from was compacted", () =>
    Effect.gen(function*() {
      const resource = unique()
      const proxy = yield* FaultProxy.make(server)
      const store = yield* direct
      const away = yield* open(EtcdLeaseStore.layer({ url: `http://127.0.0.1:${proxy.port}`, prefix }))
      const holder = yield* store.claim({ resource, ttl: "1 minute" })
      const waiters = yield* standInLine(away, { resource, ttl: "1 minute" }, 2)
      yield* proxy.refuse
      yield* proxy.reset
      yield* holder.release
      const { revision } = yield* etcd.put({ key: "elsewhere", value: "" })
      yield* gateway("kv/compaction", { revision: String(revision) })
      yield* proxy.heal
      for (const waiter of waiters) yield* Effect.flatMap(served(waiter), (lease) => lease.release)
    }), 120_000)

  it.live("a holder whose session was revoked is told, and can claim again", () =>
    Effect.gen(function*() {
      const resource = unique()
      const store = yield* direct
      const lease = yield* store.claim({ resource, ttl: "1 second" })
      const ended = yield* held(lease)
      yield* etcd.leaseRevoke(yield* leaseOf(resource, 0))
      assert.deepInclude(yield* ended, { _tag: "LeaseLost", reason: "revoked" })
      const next = yield* store.claim({ resource, ttl: "1 second" })
      assert.isAbove(Number(next.token - lease.token), 0)
      yield* next.release
    }), 120_000)

  it.live("all leases of a session that was revoked are lost together", () =>
    Effect.gen(function*() {
      const store = yield* direct
      const names = Array.from({ length: 120 }, unique)
      const leases = yield* Effect.forEach(names, (resource) => store.claim({ resource, ttl: "2 seconds" }))
      const ended = yield* Effect.forEach(leases, held)
      yield* etcd.leaseRevoke(yield* leaseOf(names[0] ?? "", 0))
      for (const end of ended) assert.deepInclude(yield* end, { _tag: "LeaseLost", reason: "revoked" })
    }), 120_000)

  it.live("a lease among many whose key alone was deleted is lost alone", () =>
    Effect.gen(function*() {
      const store = yield* direct
      const names = Array.from({ length: 120 }, unique)
      const leases = yield* Effect.forEach(names, (resource) => store.claim({ resource, ttl: "2 seconds" }))
      const doomed = yield* held(leases[110] ?? assert.fail("no lease"))
      yield* etcd.deleteRange(room(names[110] ?? ""))
      assert.deepInclude(yield* doomed, { _tag: "LeaseLost", reason: "revoked" })
      assert.deepStrictEqual(leases.map((lease) => lease.isAlive()).filter((alive) => !alive), [false])
    }), 120_000)

  it.live("a waiter whose session was revoked stands in line anew, at once", () =>
    Effect.gen(function*() {
      const resource = unique()
      const store = yield* direct
      const other = yield* direct
      const holder = yield* store.claim({ resource, ttl: "1 minute" })
      const [waiter] = yield* standInLine(other, { resource, ttl: "1 hour" })
      const session = yield* leaseOf(resource, 1)
      yield* etcd.leaseRevoke(session)
      yield* line(store, resource, 1)
      assert.notStrictEqual(yield* leaseOf(resource, 1), session)
      assert.isTrue(holder.isAlive())
      yield* holder.release
      yield* Effect.flatMap(served(waiter), (lease) => lease.release)
    }), 120_000)

  it.live(
    "at the end of a long line a waiter is served in its turn, whatever those ahead do",
    () =>
      Effect.gen(function*() {
        const resource = unique()
        const store = yield* direct
        const other = yield* direct
        const holder = yield* store.claim({ resource, ttl: "1 minute" })
        const ahead = yield* standInLine(store, { resource, ttl: "1 minute" }, 20)
        const last = yield* standInLine(other, { resource, ttl: "1 minute" }, 3)
        yield* Effect.forEach(ahead.slice(10), Fiber.interrupt)
        yield* line(store, resource, 13)
        assert.deepStrictEqual(last.map((fiber) => fiber.pollUnsafe()), [undefined, undefined, undefined])
        yield* Effect.forEach(ahead.slice(0, 10), Fiber.interrupt)
        yield* line(store, resource, 3)
        assert.deepStrictEqual(last.map((fiber) => fiber.pollUnsafe()), [undefined, undefined, undefined])
        yield* holder.release
        const tokens = []
        for (const waiter of last) {
          const lease = yield* served(waiter)
          tokens.push(lease.token)
          yield* lease.release
        }
        assert.deepStrictEqual(tokens, [...tokens].sort((a, b) => Number(a - b)))
      }),
    120_000
  )

  it.live(
    "a waiter at the end of a long line whose session was revoked stands in line anew",
    () =>
      Effect.gen(function*() {
        const resource = unique()
        const store = yield* direct
        const other = yield* direct
        const holder = yield* store.claim({ resource, ttl: "1 minute" })
        const ahead = yield* standInLine(store, { resource, ttl: "1 minute" }, 20)
        const [last] = yield* standInLine(other, { resource, ttl: "1 second" })
        const session = yield* leaseOf(resource, 21)
        yield* etcd.leaseRevoke(session)
        yield* line(store, resource, 21)
        assert.notStrictEqual(yield* leaseOf(resource, 21), session)
        yield* Effect.forEach(ahead, Fiber.interrupt)
        yield* holder.release
        yield* Effect.flatMap(served(last), (lease) => lease.release)
      }),
    120_000
  )

  it.live(
    "a release whose next in line has left in another process goes to the one behind",
    () =>
      Effect.gen(function*() {
        const resource = unique()
        // So long that nobody looks at the line because a session was renewed.
        const request = { resource, ttl: "10 minutes" } as const
        const [store, second, third] = [yield* direct, yield* direct, yield* direct]
        const holder = yield* store.claim(request)
        const next = yield* standInLine(second, request)
        const [behind] = yield* standInLine(third, request)
        // So the holder's process has read who stands there.
        const [last] = yield* standInLine(store, request)
        yield* Effect.forEach(next, Fiber.interrupt)
        yield* line(store, resource, 2)
        yield* holder.release
        yield* Effect.flatMap(served(behind), (lease) => lease.release)
        yield* Effect.flatMap(served(last), (lease) => lease.release)
      }),
    120_000
  )

  it.live(
    "a release that meets claims on their way never leaves one waiting",
    () =>
      Effect.gen(function*() {
        const [store, other] = [yield* direct, yield* direct]
        let noise = 0
        yield* Effect.forkScoped(Effect.forever(etcd.put({ key: "noise", value: String(noise++) })))
        for (const [claims, limit] of [[1, 1], [5, 1], [2, 2]] as const) {
          const resource = unique()
          const request = { resource, limit, permits: limit, ttl: "1 minute" } as const
          for (let round = 0; round < 60; round++) {
            const holder = yield* store.claim(request)
            const waiters = yield* Effect.forEach(
              Array.from({ length: claims }),
              () => Effect.forkScoped(other.claim(request), { startImmediately: true })
            )
            for (let step = 0; step < round % 15; step++) yield* Effect.promise(() => new Promise(setImmediate))
            holder.releaseUnsafe()
            yield* Effect.forEach(waiters, (waiter) => Effect.flatMap(served(waiter), (lease) => lease.release), {
              concurrency: "unbounded"
            })
          }
        }
      }),
    120_000
  )

  it.live("a waiter is told of its turn although the key of its session was deleted", () =>
    Effect.gen(function*() {
      const resource = unique()
      const [store, other] = [yield* direct, yield* direct]
      const holder = yield* store.claim({ resource, ttl: "1 hour" })
      const waiters = yield* standInLine(other, { resource, ttl: "1 hour" }, 2)
      const key = `${prefix}/%session/${yield* leaseOf(resource, 1)}`
      yield* etcd.deleteRange({ key })
      yield* eventually("the key is back", Effect.map(count({ key }), (keys) => keys === 1))
      yield* holder.release
      for (const waiter of waiters) yield* Effect.flatMap(served(waiter), (lease) => lease.release)
    }), 120_000)

  it.live("a waiter is served although nobody told it of its turn", () =>
    Effect.gen(function*() {
      const resource = unique()
      const [store, other] = [yield* direct, yield* direct]
      const holder = yield* store.claim({ resource, ttl: "1 hour" })
      const [waiter] = yield* standInLine(other, { resource, ttl: "3 seconds" })
      yield* etcd.deleteRange({ key: `${prefix}/${resource}/1/1/${holder.id}` })
      yield* Effect.flatMap(served(waiter), (lease) => lease.release)
    }), 120_000)

  it.live("who waits is told when the process that holds has ended without a word", () =>
    Effect.gen(function*() {
      const resource = unique()
      const [store, other] = [yield* direct, yield* direct]
      yield* store.claim({ resource, ttl: "1 hour" })
      const waiters = yield* standInLine(other, { resource, ttl: "1 hour" }, 3)
      yield* etcd.leaseRevoke(yield* leaseOf(resource, 0))
      for (const waiter of waiters) yield* Effect.flatMap(served(waiter), (lease) => lease.release)
    }), 120_000)

  it.live(
    "a lock that was resized has as many holders, and those above a smaller size are shown until they go",
    () =>
      Effect.gen(function*() {
        const resource = unique()
        const [store, other] = [yield* direct, yield* direct]
        const first = yield* store.claim({ resource, ttl: "1 minute" })
        const waiters = [
          ...yield* standInLine(store, { resource, ttl: "1 minute" }, 2),
          ...yield* standInLine(other, { resource, ttl: "1 minute" }, 3)
        ]
        yield* other.resize(resource, 4)
        const held = [first, yield* served(waiters[0]), yield* served(waiters[1]), yield* served(waiters[2])]
        yield* other.resize(resource, 2)
        const shown = yield* store.inspect(resource)
        assert.deepStrictEqual([shown.limit, shown.holders.length, shown.waiters.length], [2, 4, 2])
        yield* Effect.forEach(held.slice(1), (lease) => lease.release)
        const next = yield* served(waiters[3])
        assert.isUndefined(waiters[4]?.pollUnsafe())
        yield* store.resize(resource, 1)
        yield* first.release
        assert.isUndefined(waiters[4]?.pollUnsafe())
        yield* next.release
        yield* Effect.flatMap(served(waiters[4]), (lease) => lease.release)
        yield* store.resize(resource, 1)
        yield* eventually("nothing is left", Effect.map(count(room(resource)), (keys) => keys === 0))
      }),
    120_000
  )

  it.live("tryClaim leaves no key when it is refused, not even for a moment", () =>
    Effect.gen(function*() {
      const resource = unique()
      const store = yield* direct
      const holder = yield* store.claim({ resource, permits: 2, limit: 3 })
      const watch = yield* etcd.watch(room(resource))
      for (const [permits, limit] of [[2, 3], [3, 3], [1, 1], [1, 2]] as const) {
        const refused = yield* Effect.exit(store.tryClaim({ resource, permits, limit }))
        assert.isFalse(Exit.isSuccess(refused) && Option.isSome(refused.value))
      }
      assert.strictEqual((yield* Effect.flip(store.claim({ resource, limit: 2 })))._tag, "LimitMismatch")
      yield* holder.release
      const events = (yield* Queue.takeAll(watch.batches)).flatMap((batch) => batch.events)
      assert.deepStrictEqual(events.map((event) => event.type), ["delete"])
    }))

  it.live(
    "of many tryClaims at once as many are granted as fit, and nobody is passed over",
    () =>
      Effect.gen(function*() {
        const stores = [yield* direct, yield* direct]
        for (let round = 0; round < 10; round++) {
          const resource = unique()
          const tries = yield* Effect.forEach(
            Array.from({ length: 6 }, (_, n) => stores[n % 2] ?? assert.fail("no store")),
            (store) => store.tryClaim({ resource, limit: 3 }),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(tries.filter(Option.isSome).length, 3)
          assert.strictEqual(yield* count(room(resource)), 3)
        }
      }),
    120_000
  )

  it.live("the key of an interrupted waiter is deleted at once", () =>
    Effect.gen(function*() {
      const resource = unique()
      const store = yield* direct
      const holder = yield* store.claim({ resource, ttl: "1 hour" })
      const [waiter] = yield* standInLine(store, { resource, ttl: "1 hour" })
      yield* Fiber.interrupt(waiter ?? assert.fail("nobody waits"))
      yield* eventually("the key is deleted", Effect.map(count(room(resource)), (keys) => keys === 1))
      yield* holder.release
    }))

  it.live("a claim whose answer was lost leaves nothing behind", () =>
    Effect.gen(function*() {
      const resource = unique()
      const proxy = yield* FaultProxy.make(server)
      const url = `http://127.0.0.1:${proxy.port}`
      const store = yield* open(EtcdLeaseStore.layer({ url, prefix, requestTimeout: "500 millis" }))
      const other = yield* store.claim({ resource: unique(), ttl: "1 minute" })
      const lost = yield* proxy.dropReply((chunk) => chunk.includes(resource))
      const claim = yield* Effect.forkScoped(Effect.flip(store.claim({ resource, ttl: "1 minute" })))
      yield* inTime("the answer is lost", lost)
      assert.strictEqual(yield* count(room(resource)), 1)
      const session = yield* leaseOf(resource, 0)
      assert.strictEqual((yield* Fiber.join(claim))._tag, "StoreUnavailable")
      yield* proxy.heal
      yield* eventually("the key is deleted", Effect.map(count(room(resource)), (keys) => keys === 0))
      assert.isTrue(other.isAlive())
      const next = yield* store.claim({ resource, ttl: "1 minute" })
      assert.notStrictEqual(yield* leaseOf(resource, 0), session)
      yield* next.release
    }), 120_000)

  it.live("closing a store frees what it held, and ends its sessions", () =>
    Effect.gen(function*() {
      const resource = unique()
      const store = yield* direct
      const closing = yield* Scope.make()
      const doomed = yield* Scope.provide(direct, closing)
      const claims = yield* Scope.make()
      yield* Scope.provide(doomed.claim({ resource, ttl: "1 hour" }), claims)
      const session = yield* leaseOf(resource, 0)
      const [waiter] = yield* standInLine(store, { resource })
      yield* Scope.close(closing, Exit.void)
      yield* Effect.flatMap(served(waiter), (lease) => lease.release)
      assert.notInclude(yield* gateway("lease/leases", {}), `"${session}"`)
      yield* Scope.close(claims, Exit.void)
    }))

  it.live("a session that nobody uses is revoked", () =>
    Effect.gen(function*() {
      const resource = unique()
      const store = yield* direct
      const lease = yield* store.claim({ resource, ttl: "2 seconds" })
      const session = yield* leaseOf(resource, 0)
      assert.include(yield* gateway("lease/leases", {}), `"${session}"`)
      yield* lease.release
      yield* eventually(
        "the session ends",
        Effect.map(gateway("lease/leases", {}), (text) => !text.includes(`"${session}"`))
      )
      yield* Effect.flatMap(store.claim({ resource, ttl: "2 seconds" }), (next) => next.release)
    }), 120_000)

  it.live("claims with one ttl share one session, and a resource's keys lie in its own folder", () =>
    Effect.gen(function*() {
      const resource = unique()
      const store = yield* direct
      for (const name of [resource, `${resource}/1`]) {
        yield* store.claim({ resource: name, ttl: "1 minute", limit: 5, permits: 2 })
      }
      const { kvs } = yield* etcd.range(EtcdOp.prefix(`${prefix}/${resource}`))
      assert.strictEqual(new Set(kvs.map((kv) => kv.lease)).size, 1)
      assert.deepStrictEqual(
        kvs.map((kv) => EtcdOp.text(kv.key).replace(/[^/]*$/, "<id>")),
        [`${prefix}/${resource}%2F1/5/2/<id>`, `${prefix}/${resource}/5/2/<id>`]
      )
    }))

  it.live("a layer whose server cannot be reached fails typed", () =>
    Effect.gen(function*() {
      const url = "http://127.0.0.1:1"
      const error = yield* Effect.flip(open(EtcdLeaseStore.layer({ url, requestTimeout: "300 millis" })))
      assert.deepInclude(error, { _tag: "StoreUnavailable", backend: "etcd" })
    }))

  it.live("options come from the configuration, and stores with other prefixes do not meet", () =>
    Effect.gen(function*() {
      const resource = unique()
      const layer = EtcdLeaseStore.layerConfig({ url: Config.String("URL"), prefix: Config.String("PREFIX") })
      const configured = (name: string) =>
        Effect.provideService(
          open(layer),
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromUnknown({ URL: server.url, PREFIX: name })
        )
      const [a, b] = [yield* configured("a"), yield* configured("b")]
      yield* a.claim({ resource })
      assert.isTrue(Option.isSome(yield* b.tryClaim({ resource })))
      assert.strictEqual(yield* count(EtcdOp.prefix(`a/${resource}/`)), 1)
    }))
})

describe("a cluster of three", () => {
  it.live("a lock that is held and awaited lives on when a member is killed", () =>
    Effect.gen(function*() {
      const members = yield* Servers.etcdCluster(3)
      const url = members.map((member) => member.url)
      const layer = EtcdLeaseStore.layer({ url, requestTimeout: "2 seconds" })
      const [store, other] = [yield* open(layer), yield* open(layer)]
      const statuses = yield* Effect.forEach(members, (member) =>
        Effect.scoped(
          Effect.flatMap(Layer.build(Etcd.layer({ url: member.url })), (context) =>
            Context.get(context, Etcd.Etcd).status)
        ))
      const leader = members[
        statuses.findIndex(({ leader, member }) =>
          leader === member
        )
      ]
      const resource = unique()
      const holder = yield* store.claim({ resource, ttl: "10 seconds" })
      const waiters = yield* standInLine(other, { resource, ttl: "10 seconds" }, 2)
      yield* (leader ?? members[0]).kill
      yield* holder.release.pipe(Effect.retry({ while: (error) => error._tag === "StoreUnavailable" }))
      const tokens = [holder.token]
      for (const waiter of waiters) {
        const lease = yield* served(waiter)
        tokens.push(lease.token)
        lease.releaseUnsafe()
      }
      assert.deepStrictEqual(tokens, [...tokens].sort((a, b) => Number(a - b)))
      const next = yield* inTime(
        "the lock is free",
        Effect.retry(store.claim({ resource }), { while: (error) => error._tag === "StoreUnavailable" })
      )
      yield* next.release
    }), 90_000)
})
