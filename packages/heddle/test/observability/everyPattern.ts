/** Every pattern of Heddle once, each with a name where it can have one, so that every metric is there. */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import {
  Barrier,
  CountDownLatch,
  Cron,
  DistributedLock,
  DistributedSemaphore,
  Kv,
  KvStore,
  LeaderElection,
  LeaseStore,
  Membership,
  Once,
  ReadWriteLock,
  Singleton
} from "heddle/coordination"
import {
  Batcher,
  FanOut,
  Hedge,
  KeyedMutex,
  Multiplexer,
  Partitioner,
  Pipeline,
  ThreadPool,
  WorkerPool
} from "heddle/flow"
import { Health, HttpDrain, Shutdown } from "heddle/lifecycle"
import { Broker, JobStore, Log, LogStore, Topic, WorkQueue } from "heddle/messaging"
import {
  AdaptiveLimiter,
  Bulkhead,
  CircuitBreaker,
  LoadLevel,
  RateLimiter,
  RateLimiterStore,
  Retry,
  RetryBudget
} from "heddle/resilience"
import { kvMetrics } from "../../src/coordination/internal/kvMetrics.ts"
import { leaseMetrics } from "../../src/coordination/internal/leaseMetrics.ts"
import { fakeThreads } from "../FakeThread.ts"

const stores = Layer.merge(LeaseStore.layerMemory, KvStore.layerMemory)

const limits = Kv.make({ namespace: "limits", schema: Schema.Int })

const coordination = (item: string) =>
  Effect.gen(function*() {
    const held = DistributedLock.withLock(`invoice/${item}`, { ttl: 1000, name: "invoice" })(() => Effect.sleep(500))
    yield* Effect.all([held, held], { concurrency: 2 })
    yield* DistributedLock.tryLock(`invoice/${item}`)(Effect.void)
    yield* ReadWriteLock.withRead(`routes/${item}`)(Effect.void)
    yield* ReadWriteLock.withWrite(`routes/${item}`)(Effect.void)
    yield* ReadWriteLock.tryRead(`routes/${item}`)(Effect.void)
    yield* ReadWriteLock.tryWrite(`routes/${item}`)(Effect.void)
    const db = DistributedSemaphore.make({ key: `db/${item}`, permits: 2, name: "db" })
    yield* db.withPermits(2)(Effect.void)
    yield* db.tryWithPermits(1)(Effect.void)
    yield* LeaderElection.runAsLeader(`compactor/${item}`)(() => Effect.void)
    yield* Effect.scoped(Effect.asVoid(Membership.make({ group: `group/${item}`, value: Schema.String }).join("here")))
    yield* Effect.timeoutOption(Singleton.run(`report/${item}`)(Effect.never), 10)
    const made = yield* limits.put(item, 1)
    yield* limits.get(item)
    yield* limits.entries()
    yield* limits.compareAndSet(item, made, 2)
    yield* limits.modify(item, (limit) => Effect.succeed([undefined, limit]))
    yield* limits.propose(item, 1)
    yield* Stream.runDrain(Stream.take(limits.watch(item), 1))
    yield* limits.delete(item)
    yield* Once.run({ key: `once/${item}`, success: Schema.String })(Effect.succeed("done"))
    yield* Barrier.make({ key: `step/${item}`, parties: 1 }).await
    yield* CountDownLatch.make({ key: `deploy/${item}`, count: 1 }).countDown("a")
    yield* Effect.timeoutOption(Cron.run({ name: "clean", schedule: "* * * * * *" })(() => Effect.void), 2500)
  })

/** What only happens where something went wrong: leases lost, values that nobody can read. */
const mishaps = Effect.contextWith((context: Context.Context<never>) => {
  leaseMetrics("memory", context).lost("expired")
  leaseMetrics("memory", context).lost("revoked")
  leaseMetrics("memory", context).renewed("failed", 1)
  const { missed, undecodable } = kvMetrics("memory", "limits")
  return Effect.andThen(missed, undecodable)
})

const flow = Effect.gen(function*() {
  const tasks = { log: ThreadPool.task({ payload: Schema.Int }) }
  const threads = fakeThreads(() => ThreadPool.serve(tasks, { log: () => Effect.void }))
  yield* Effect.scoped(
    Effect.flatMap(ThreadPool.make(tasks, { size: 1, name: "sums" }), (pool) => pool.submit("log", 1))
  ).pipe(
    Effect.provide(threads)
  )
  const pool = yield* WorkerPool.make({ size: 1, name: "mail" })
  yield* pool.submit(Effect.void)
  yield* FanOut.gather([1, 2], Effect.succeed, { workers: 2, name: "crawl" })
  const rows = yield* Batcher.make({
    name: "rows",
    run: (ids: ReadonlyArray<number>) => Effect.succeed(ids.map((id) => Exit.succeed(id))),
    maxSize: 10
  })
  yield* rows.submit(1)
  const accounts = yield* Partitioner.make({ name: "accounts", key: String, handle: () => Effect.void, concurrency: 2 })
  yield* accounts.submit(1)
  const numbers = Pipeline.make<number>("numbers").pipe(Pipeline.stage("double", (n) => Effect.succeed(n * 2)))
  yield* Stream.runDrain(Pipeline.stream(numbers, Stream.make(1)))
  yield* Hedge.hedged(Effect.void, { idempotent: true, delay: 10, name: "mirrors" })
  yield* Hedge.firstSuccess([Effect.void], { name: "mirrors" })
  yield* Hedge.quorum(1, { name: "mirrors" })([Effect.void])
  const files = yield* KeyedMutex.make<string>({ name: "files" })
  const file = files.withLock("a")(Effect.sleep(1))
  yield* Effect.all([file, file], { concurrency: 2 })
  const { stream } = yield* Multiplexer.make({ name: "feeds", sources: { one: { stream: Stream.make(1) } } })
  yield* Stream.runDrain(stream)
})

const sensor = { name: "load", read: () => Effect.succeed(0), at: [1, 2, 3] } as const

const resilience = Effect.gen(function*() {
  const shop = yield* AdaptiveLimiter.make({ name: "shop" })
  yield* shop.run(Effect.void)
  const db = yield* Bulkhead.make({ name: "db", running: 1, waiting: 1 })
  yield* Effect.all([db.run(Effect.sleep(1)), db.run(Effect.void)], { concurrency: 2 })
  const bank = yield* CircuitBreaker.make({ name: "bank" })
  yield* bank.run(Effect.void)
  const api = yield* Effect.provide(
    RateLimiter.make({ name: "api", limit: 1, per: 1000 }),
    RateLimiterStore.layerMemory
  )
  yield* Effect.exit(Effect.andThen(api.take(), Effect.andThen(api.take(), api.take())))
  const retry = yield* Retry.make({ name: "search" })
  yield* retry.run(Effect.void)
  const budget = yield* RetryBudget.make({ name: "search" })
  yield* budget.call
  yield* Effect.provide(Effect.void, LoadLevel.layer({ name: "shop", sensors: [sensor] }))
})

const messaging = Effect.gen(function*() {
  const sums = WorkQueue.make({ name: "sums", payload: Schema.Number, success: Schema.Number })
  yield* sums.process((n) => Effect.succeed(n + 1), { concurrency: 1 })
  yield* sums.enqueueAndAwait(1)
  const news = Topic.make({ name: "news", payload: Schema.Number })
  const { messages } = yield* news.subscribe()
  yield* news.publish(1)
  yield* Stream.runForEach(Stream.take(messages, 1), (message) => Topic.handle(message)(Effect.void))
  const payments = Log.make({ name: "payments", payload: Schema.Number })
  yield* payments.append(1)
  yield* Effect.timeoutOption(payments.consume("ledger", (entry) => Log.handle(entry)(Effect.void)), 10)
}).pipe(Effect.scoped, Effect.provide([JobStore.layerMemory, Broker.layerMemory, LogStore.layerMemory]))

const server = Layer.provide(HttpDrain.layer({ name: "api" }), HttpRouter.layer)
/** `lasting`: a part's series goes with the part. */
const lifecycle = Effect.fnUntraced(function*(lasting: Scope.Scope) {
  const cache = yield* Scope.provide(Health.component("cache"), lasting)
  yield* cache.ok
  yield* Shutdown.step({ name: "database", phase: "close" })(Effect.void)
  yield* Effect.flatMap(Shutdown.Shutdown, ({ begin }) => begin)
}, (effect) =>
  effect.pipe(
    Effect.scoped,
    Effect.provide(
      Layer.provideMerge(Layer.merge(Health.layer, server), Shutdown.layer({ onReport: () => Effect.void }))
    )
  ))

/** Runs on a test clock, which it moves. `item` is what an app has many of: a job, a key, a user. */
export const everyPattern = (item: string) =>
  Effect.gen(function*() {
    const lasting = yield* Effect.scope
    const running = yield* Effect.forkChild(
      Effect.all([coordination(item), mishaps, flow, resilience, messaging, lifecycle(lasting)]).pipe(
        Effect.scoped,
        Effect.provide(stores)
      )
    )
    const began = yield* Clock.currentTimeMillis
    while (running.pollUnsafe() === undefined) {
      if ((yield* Clock.currentTimeMillis) > began + 60_000) return yield* Effect.die("a pattern hangs")
      yield* TestClock.adjust(50)
    }
    yield* Fiber.join(running)
  })
