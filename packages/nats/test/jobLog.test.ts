import { afterAll, assert, describe, it } from "@effect/vitest"
import { FaultProxy, Servers } from "@heddle/testkit"
import { jetstreamManager } from "@nats-io/jetstream"
import * as NatsClient from "@nats-io/transport-node"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { type Job, JobStore } from "heddle/messaging"
import { Nats, NatsJobStore } from "../src/index.ts"
import { jobSteps } from "../src/internal/jobSteps.ts"
import { unavailable } from "../src/internal/unavailable.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const server = await Effect.runPromise(Scope.provide(Servers.nats, scope))
const proxy = await Effect.runPromise(Scope.provide(FaultProxy.make(server), scope))

/** A store that keeps the state of a queue after so many messages, on a connection of its own. */
const storeOn = (url: string, patience = 60_000, commandTimeout: Duration.Input = "2 seconds") =>
  Effect.map(
    Layer.build(Layer.fresh(
      JobStore.layerOf({
        backend: "nats",
        owner: "me",
        steps: (revoked) =>
          Effect.flatMap(Nats.Nats, (nats) => jobSteps(nats, { prefix: "log", saveAfter: 64, patience }, revoked))
      }).pipe(Layer.provide(Nats.layer({ servers: [url], commandTimeout })))
    )),
    (services) => ({
      ...Context.get(services, JobStore.JobStore),
      control: Context.get(services, JobStore.JobControl)
    })
  )
type Store = Effect.Success<ReturnType<typeof storeOn>>

const through = `nats://127.0.0.1:${proxy.port}`
const direct = server.url
const bytes = (text: string) => new TextEncoder().encode(text)
const text = (payload: Uint8Array) => new TextDecoder().decode(payload)
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.timeout(effect, "50 seconds")

const manager = Effect.flatMap(
  Effect.acquireRelease(
    Effect.promise(() => NatsClient.connect({ servers: direct })),
    (connection) => Effect.promise(() => connection.close())
  ),
  (connection) => Effect.map(Effect.promise(() => jetstreamManager(connection)), (manager) => ({ connection, manager }))
)
const firstOf = (queue: string) =>
  Effect.flatMap(
    manager,
    ({ manager }) => Effect.promise(async () => (await manager.streams.info(`log=jobs=${queue}`)).state.first_seq)
  )

const one = (store: Store, queue: string) =>
  Effect.flatMap(
    inTime(store.claim(queue, { waitFor: Infinity })),
    ([job]) => job === undefined ? Effect.die("none") : Effect.succeed(job)
  )

/** Enqueues and completes jobs one by one, so that the log grows by three messages each. */
const busy = (store: Store, queue: string, jobs: number) =>
  Effect.repeat(
    Effect.scoped(Effect.gen(function*() {
      yield* store.enqueue(queue, [{ payload: bytes("busy") }])
      yield* store.settle(yield* one(store, queue), { _tag: "Completed" })
    })),
    { times: jobs - 1 }
  )

describe("the log of a queue", () => {
  it.live("is let go of where the state is kept, and who comes later knows all that those know who read it", () =>
    Effect.gen(function*() {
      const queue = "kept"
      const old = yield* storeOn(direct)
      yield* old.enqueue(queue, [{ payload: bytes("dies"), id: "dead" }, { payload: bytes("held"), id: "held" }])
      yield* old.settle(yield* one(old, queue), { _tag: "Dead", failure: { cause: "no", error: bytes("e") } })
      const held = yield* one(old, queue)
      yield* old.enqueue(queue, [{ payload: bytes("later"), id: "later", delay: "1 hour" }])
      yield* busy(old, queue, 100)
      yield* inTime(Effect.repeat(firstOf(queue), { until: (first) => first > 1, schedule: Schedule.spaced(20) }))
      const fresh = yield* storeOn(direct)
      assert.deepStrictEqual(yield* fresh.control.stats(queue), yield* old.control.stats(queue))
      assert.deepStrictEqual(yield* fresh.deadLetters(queue), yield* old.deadLetters(queue))
      assert.deepStrictEqual(yield* fresh.enqueue(queue, [{ payload: bytes("again"), id: "held" }]), [{
        id: "held",
        added: false
      }])
      assert.strictEqual(yield* fresh.settle(held, { _tag: "Completed" }), "Completed")
      yield* busy(fresh, queue, 1)
    }).pipe(Effect.scoped))

  it.live("is read anew by who was away while it was let go of", () =>
    Effect.gen(function*() {
      const queue = "away"
      const away = yield* storeOn(through)
      const here = yield* storeOn(direct)
      yield* busy(away, queue, 1)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
        yield* here.enqueue(queue, [{ payload: bytes("later"), delay: "1 hour" }])
        yield* busy(here, queue, 150)
        yield* inTime(Effect.repeat(firstOf(queue), { until: (first) => first > 10, schedule: Schedule.spaced(20) }))
      }))
      yield* here.enqueue(queue, [{ payload: bytes("for who was away") }])
      const job = yield* inTime(Effect.retry(
        Effect.filterOrFail(away.claim(queue, { waitFor: "1 second" }), (jobs) => jobs.length > 0),
        { schedule: Schedule.spaced(20) }
      ))
      assert.deepStrictEqual(job.map(({ payload }) => text(payload)), ["for who was away"])
      assert.deepStrictEqual(yield* away.control.stats(queue), yield* here.control.stats(queue))
    }).pipe(Effect.scoped))

  const conserves = (queue: string, times: number, fault: Effect.Effect<unknown, unknown>) =>
    Effect.gen(function*() {
      const stores = [yield* storeOn(through), yield* storeOn(through), yield* storeOn(direct)]
      const added = new Set<string>()
      const done = new Map<string, number>()
      let stop = false
      const producing = Effect.forEach(Array.from({ length: 300 }, (_, at) => `job-${at}`), (id) =>
        Effect.flatMap(
          Effect.retry(stores[0]?.enqueue(queue, [{ payload: bytes(id), id }]) ?? Effect.die("none"), { times: 20 }),
          ([job]) => Effect.sync(() => job?.added === true ? added.add(id) : undefined)
        ), { concurrency: 4, discard: true })
      const working = (store: Store) =>
        Effect.whileLoop({
          while: () => !(stop && done.size === 300),
          body: () =>
            Effect.ignore(Effect.scoped(Effect.gen(function*() {
              const jobs = yield* store.claim(queue, { max: 5, ttl: "5 seconds", waitFor: 200 })
              yield* Effect.forEach(jobs, (job: Job.Claimed) =>
                Effect.map(store.settle(job, { _tag: "Completed" }), () => {
                  done.set(job.id, (done.get(job.id) ?? 0) + 1)
                }))
            }))),
          step: () => {}
        })
      const workers = yield* Effect.forEach(stores, (store) => Effect.forkScoped(working(store)))
      const resetting = Effect.forEach(Array.from({ length: times }, (_, at) => at * 250 / times), (least) =>
        Effect.repeat(Effect.sleep(2), { until: () => done.size > least }).pipe(Effect.andThen(fault)))
      yield* inTime(Effect.all([producing, resetting], { concurrency: "unbounded" }))
      stop = true
      // A job whose completion was carried out and not heard of is done as well.
      const control = stores[2]?.control ?? assert.fail("no store")
      yield* inTime(Effect.repeat(control.stats(queue), {
        until: ({ claimed, waiting }) =>
          claimed + waiting === 0,
        schedule: Schedule.spaced(50)
      }))
      yield* Fiber.interruptAll(workers)
      for (const [id, times] of done) assert.strictEqual(times, 1, id)
      const ended = yield* Effect.forEach(
        Array.from({ length: 300 }, (_, at) => `job-${at}`),
        (id) => control.inspect(queue, id)
      )
      assert.isTrue(ended.every((job) => job._tag === "Some" && job.value.state === "ended"))
    }).pipe(Effect.scoped)

  it.live("loses and doubles nothing when connections are reset again and again", () =>
    conserves("resets", 10, proxy.reset))

  it.live(
    "loses and doubles nothing when the server is killed and started again",
    () => conserves("kills", 3, server.restart()),
    { timeout: 120_000 }
  )

  const isOrder = (chunk: string) => chunk.includes("HPUB log.jobs.log.unheard")

  it.live("has what did not reach the server, or was not heard of, once", () =>
    Effect.gen(function*() {
      const queue = "unheard"
      const store = yield* storeOn(through, 60_000, "20 seconds")
      yield* store.control.stats(queue)
      const faults = [proxy.dropMatching("up", isOrder), proxy.dropReply(isOrder)]
      for (const fault of faults) {
        const dropped = yield* fault
        const enqueuing = yield* Effect.forkScoped(store.enqueue(queue, [{ payload: bytes("once") }]))
        yield* inTime(dropped)
        yield* proxy.heal
        const [job] = yield* inTime(Fiber.join(enqueuing))
        assert.isTrue(job?.added)
      }
      assert.strictEqual((yield* store.control.stats(queue)).waiting, 2)
    }).pipe(Effect.scoped), { timeout: 120_000 })

  it.live("gives back what was claimed by a message that was given up", () =>
    Effect.gen(function*() {
      const queue = "given-up"
      const away = yield* storeOn(through, 60_000, "1 second")
      const here = yield* storeOn(direct)
      yield* away.control.stats(queue)
      yield* here.enqueue(queue, [{ payload: bytes("a") }])
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Effect.acquireRelease(proxy.cut("down"), () => proxy.heal)
        const error = yield* Effect.flip(Effect.scoped(away.claim(queue, { ttl: "1 hour", waitFor: Infinity })))
        assert.strictEqual(error._tag, "StoreUnavailable")
        assert.strictEqual((yield* here.control.stats(queue)).claimed, 1)
      }))
      assert.strictEqual((yield* one(here, queue)).attempt, 1)
    }).pipe(Effect.scoped), { timeout: 120_000 })

  it.live("carries jobs together that are larger than a message, or not at all", () =>
    Effect.gen(function*() {
      const store = yield* storeOn(through)
      const other = yield* storeOn(direct)
      const payload = Uint8Array.from({ length: 900_000 }, (_, at) => at % 251)
      const all = yield* Effect.all([
        store.enqueue("large", [{ payload }, { payload }, { payload }]),
        other.enqueue("large", [{ payload: bytes("small") }, { payload }, { payload }])
      ], { concurrency: "unbounded" })
      assert.strictEqual(all.flat().length, 6)
      const jobs = yield* inTime(other.claim("large", { max: 10 }))
      assert.strictEqual(jobs.length, 6)
      for (const job of jobs) if (job.payload.length > 10) assert.deepStrictEqual(Uint8Array.from(job.payload), payload)
    }).pipe(Effect.scoped))

  it.live("starts anew where it was deleted, and its tokens stay above the earlier ones", () =>
    Effect.gen(function*() {
      const queue = "deleted"
      const store = yield* storeOn(direct)
      yield* store.enqueue(queue, [{ payload: bytes("a") }, { payload: bytes("b") }])
      const before = yield* one(store, queue)
      yield* Effect.flatMap(manager, ({ manager }) => Effect.promise(() => manager.streams.delete(`log=jobs=${queue}`)))
      yield* inTime(Effect.retry(store.enqueue(queue, [{ payload: bytes("c") }]), { schedule: Schedule.spaced(20) }))
      const after = yield* one(store, queue)
      assert.strictEqual(text(after.payload), "c")
      assert.isTrue(after.token > before.token)
      assert.strictEqual((yield* Effect.flip(store.settle(before, { _tag: "Completed" })))._tag, "LeaseLost")
    }).pipe(Effect.scoped))

  it.live(
    "is not read while nobody does anything with the queue, and goes on after that",
    () =>
      Effect.gen(function*() {
        const queue = "idle"
        const store = yield* storeOn(direct, 20)
        const { manager: { consumers } } = yield* manager
        const readers = Effect.promise(async () => (await consumers.list(`log=jobs=${queue}`).next()).length)
        for (const round of ["first", "second", "third"]) {
          yield* store.enqueue(queue, [{ payload: bytes(round), delay: "1 hour" }])
          yield* inTime(Effect.repeat(readers, { until: (count) => count === 0, schedule: Schedule.spaced(50) }))
        }
        assert.strictEqual((yield* store.control.stats(queue)).delayed, 3)
      }).pipe(Effect.scoped),
    { timeout: 120_000 }
  )

  it.live("passes over what is from nobody, and is not read further where another version wrote it", () =>
    Effect.gen(function*() {
      const queue = "strange"
      const store = yield* storeOn(direct)
      const { connection } = yield* manager
      const publish = (name: string) => {
        const headers = NatsClient.headers()
        if (name !== "") headers.set("Nats-Msg-Id", name)
        return Effect.promise(() =>
          connection.request(`log.jobs.log.${queue}`, bytes("strange"), { headers, timeout: 2000 })
        )
      }
      yield* store.enqueue(queue, [{ payload: bytes("a") }])
      yield* publish("")
      yield* publish("who.knows")
      yield* busy(store, queue, 1)
      yield* publish("other.1.0.1")
      const error = yield* inTime(Effect.repeat(Effect.flip(store.enqueue(queue, [{ payload: bytes("b") }])), {
        until: ({ message }) => message.includes("another version")
      }))
      assert.strictEqual(error._tag, "StoreUnavailable")
    }).pipe(Effect.scoped))

  it.live("needs a prefix of letters, and a server with JetStream", () =>
    Effect.gen(function*() {
      const bad = yield* Effect.flip(Layer.build(NatsJobStore.layer({ servers: [direct], prefix: "a.b" })))
      assert.match(bad.message, /prefix/)
      assert.match(unavailable("here", new Error("jetstream is not enabled")).message, /start it with -js/)
    }).pipe(Effect.scoped))
})
