/** One operation of each pattern that has metrics, spans, or tells `Contention` of waits. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  DistributedLock,
  DistributedSemaphore,
  Kv,
  KvStore,
  LeaseStore,
  Once,
  ReadWriteLock
} from "heddle/coordination"
import { Batcher, FanOut, Hedge, KeyedMutex, Multiplexer, Partitioner, Pipeline, WorkerPool } from "heddle/flow"
import { Broker, JobStore, Log, LogStore, Topic, WorkQueue } from "heddle/messaging"
import { Contention } from "heddle/observability"
import {
  AdaptiveLimiter,
  Bulkhead,
  CircuitBreaker,
  RateLimiter,
  RateLimiterStore,
  Retry,
  RetryBudget
} from "heddle/resilience"

const stores = Layer.mergeAll(
  LeaseStore.layerMemory,
  KvStore.layerMemory,
  JobStore.layerMemory,
  Broker.layerMemory,
  LogStore.layerMemory,
  RateLimiterStore.layerMemory
)

export const layers = { stores, contention: Layer.merge(stores, Contention.layer) }

export type Stores = Layer.Success<typeof stores>

export type Call = Effect.Effect<unknown, unknown, Stores>

export interface Scene {
  readonly title: string
  /** How many operations a call is. */
  readonly each: number
  /** Whether the pattern can be without a name; where it cannot, it counts always. */
  readonly named: boolean
  /** Whether it tells of waits. */
  readonly waits: boolean
  readonly make: (name: string | undefined) => Effect.Effect<Call, unknown, Scope.Scope | Stores>
}

const hundred = Array.from({ length: 100 }, (_, index) => index)

const scene = (title: string, make: Scene["make"], rest: Partial<Scene> = {}): Scene => ({
  title,
  each: 1,
  named: true,
  waits: true,
  make,
  ...rest
})
const always = { named: false }
const alone = { waits: false }

const resilience: ReadonlyArray<Scene> = [
  scene(
    "a call in a bulkhead",
    () => Effect.map(Bulkhead.make({ name: "bench", running: 9 }), ({ run }) => run(Effect.void)),
    always
  ),
  scene(
    "a call in an adaptive limiter",
    () => Effect.map(AdaptiveLimiter.make({ name: "bench" }), ({ run }) => run(Effect.void)),
    always
  ),
  scene(
    "a call in a circuit breaker",
    () => Effect.map(CircuitBreaker.make({ name: "bench" }), ({ run }) => run(Effect.void)),
    { ...always, ...alone }
  ),
  scene(
    "a retry that has nothing to do",
    () => Effect.map(Retry.make({ name: "bench" }), ({ run }) => run(Effect.void)),
    { ...always, ...alone }
  ),
  scene(
    "an extra of a retry budget",
    () => Effect.map(RetryBudget.make({ name: "bench", minimum: 1e9 }), ({ tryExtra }) => tryExtra),
    { ...always, ...alone }
  ),
  scene(
    "a turn of a rate limiter, in memory",
    () => Effect.map(RateLimiter.make({ name: "bench", limit: 1e9, per: "1 second" }), ({ take }) => take()),
    { ...always, ...alone }
  )
]

const flow: ReadonlyArray<Scene> = [
  scene(
    "a section under a keyed mutex",
    (name) => Effect.map(KeyedMutex.make<string>({ name }), ({ withLock }) => withLock("a")(Effect.void))
  ),
  scene(
    "a task in a worker pool",
    (name) => Effect.map(WorkerPool.make({ size: 9, name }), ({ submit }) => submit(Effect.void))
  ),
  scene("an item through a partitioner", (name) =>
    Effect.map(
      Partitioner.make({ key: (item: string) => item, handle: () => Effect.void, concurrency: 9, name }),
      ({ submit }) => submit("a")
    )),
  scene("an item in a batch of one", (name) =>
    Effect.map(
      Batcher.make({
        run: (items: ReadonlyArray<number>) => Effect.succeed(items.map(Exit.succeed)),
        maxSize: 1,
        name
      }),
      ({ submit }) => submit(1)
    )),
  scene(
    "an item of a fan-out of a hundred",
    (name) => Effect.succeed(FanOut.forEach(hundred, () => Effect.void, { workers: 9, name })),
    { ...alone, each: 100 }
  ),
  scene("an item of a hundred through two stages", (name) => {
    const pipeline = Pipeline.make<number>(name).pipe(
      Pipeline.stage("one", Effect.succeed),
      Pipeline.stage("two", Effect.succeed)
    )
    return Effect.succeed(Stream.runDrain(Pipeline.stream(pipeline, Stream.fromIterable(hundred))))
  }, { ...alone, each: 100 }),
  scene("an item of a hundred out of a multiplexer", (name) =>
    Effect.succeed(Effect.scoped(Effect.flatMap(
      Multiplexer.make({ name, sources: { all: { stream: Stream.fromIterable(hundred), buffer: 100 } } }),
      ({ stream }) => Stream.runDrain(stream)
    ))), { ...alone, each: 100 }),
  scene(
    "a first success of two",
    (name) => Effect.succeed(Hedge.firstSuccess([Effect.void, Effect.void], { delay: "1 second", name })),
    alone
  )
]

const coordination: ReadonlyArray<Scene> = [
  scene(
    "a section under a lock, in memory",
    (name) => Effect.succeed(DistributedLock.withLock("a", { name })(Effect.void))
  ),
  scene(
    "a section of a reader, in memory",
    () => Effect.succeed(ReadWriteLock.withRead("a")(Effect.void)),
    always
  ),
  scene(
    "a section with a permit, in memory",
    (name) => Effect.succeed(DistributedSemaphore.make({ key: "a", permits: 9, name }).withPermits(1)(Effect.void))
  ),
  scene("a write of a value, in memory", () => {
    const kv = Kv.make({ namespace: "bench", schema: Schema.String })
    return Effect.succeed(kv.put("a", "b"))
  }, { ...always, ...alone }),
  scene(
    "a result of `Once` that is there, in memory",
    () => Effect.succeed(Once.run({ key: "bench", success: Schema.Number })(Effect.succeed(1))),
    { ...always, ...alone }
  )
]

const messaging: ReadonlyArray<Scene> = [
  scene("a job of a hundred, in memory", () =>
    Effect.gen(function*() {
      const done = yield* Queue.unbounded<number>()
      const jobs = WorkQueue.make({ name: "bench", payload: Schema.Number })
      yield* jobs.process((job) => Effect.sync(() => void Queue.offerUnsafe(done, job)), { concurrency: 100 })
      return Effect.andThen(jobs.enqueueAll(hundred), Queue.takeN(done, 100))
    }), { ...always, ...alone, each: 100 }),
  scene("a message of a hundred, in memory", () =>
    Effect.gen(function*() {
      const topic = Topic.make({ name: "bench", payload: Schema.Number })
      const done = yield* Queue.unbounded<number>()
      const { messages } = yield* topic.subscribe()
      yield* Effect.forkScoped(Stream.runForEach(messages, ({ value }) => Queue.offer(done, value)))
      return Effect.andThen(topic.publishAll(hundred), Queue.takeN(done, 100))
    }), { ...always, ...alone, each: 100 }),
  scene("an entry of a hundred appended, in memory", () => {
    const log = Log.make({ name: "bench", payload: Schema.Number })
    return Effect.succeed(log.appendAll(hundred))
  }, { ...always, ...alone, each: 100 })
]

/** By the area of the pattern. */
export const areas = { resilience, flow, coordination, messaging }

export const scenes: ReadonlyArray<Scene> = Object.values(areas).flat()
