// A service with a pool of workers and a lease. Stop it while it works: it finishes what it has taken, or hands it back, and says so.
//   node --conditions=@heddle/source examples/30-graceful-service/main.ts [memory|redis] [--hang] [--slow]
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { DistributedLock, type LeaseStore } from "heddle/coordination"
import { Partitioner, WorkerPool } from "heddle/flow"
import { Health, HttpDrain, Shutdown, ShutdownReport } from "heddle/lifecycle"
import { createServer } from "node:http"
import { settings } from "./settings.ts"

/** Jobs with an answer go to a pool. Jobs for later are taken, and go there too, in order by customer. */
const jobs = Layer.effectDiscard(Effect.gen(function*() {
  const router = yield* HttpRouter.HttpRouter
  // Ends after the parts whose outcomes it tells.
  const tellers = yield* FiberSet.make()
  const pool = yield* WorkerPool.make({ size: 4, queue: 1_000 })
  yield* Shutdown.step({ name: "pool", phase: "drain", timeout: "20 seconds" })(pool.shutdown("20 seconds"))
  const job = Effect.sleep(settings.jobTakes)
  // What its step leaves, the end of the scope hands back.
  const later = yield* Partitioner.make({
    key: (id: string) => Number(id) % 3,
    handle: () => pool.submit(job),
    concurrency: 3,
    drainFor: 0
  })
  const holds = Effect.map(later.stats, ({ active, queued }) => `${active} jobs that run, ${queued} that wait`)
  yield* Shutdown.step({ name: "later", phase: "drain", before: ["pool"], timeout: "20 seconds", holds })(
    Effect.andThen(Console.log("drains"), later.shutdown("20 seconds"))
  )
  const accept = Effect.flatMap(HttpRouter.params, ({ id = "" }) => Effect.as(Console.log(`accepted ${id}`), id))
  const answer = Effect.gen(function*() {
    const id = yield* accept
    yield* pool.submit(job)
    return HttpServerResponse.text(id)
  })
  const take = Effect.gen(function*() {
    const id = yield* accept
    const outcome = yield* later.enqueue(id)
    const told = Effect.andThen(outcome, Console.log(`done ${id}`)).pipe(
      Effect.onError(() => Console.log(`back ${id}`))
    )
    yield* FiberSet.run(tellers, Effect.uninterruptible(told))
    return HttpServerResponse.text(id, { status: 202 })
  })
  yield* router.add("POST", "/jobs/:id", answer)
  yield* router.add("POST", "/later/:id", take)
}))

/** One process of the service holds the lease; it is ready when it does. */
const lease = Layer.effectDiscard(Effect.gen(function*() {
  const ready = yield* Health.component("lease")
  const held = yield* Deferred.make<void>()
  const holding = DistributedLock.withLock("service/one", { ttl: "10 minutes", waitFor: "1 minute" })(({ token }) =>
    Console.log(`holds ${token}`).pipe(Effect.andThen(Deferred.succeed(held, undefined)), Effect.andThen(Effect.never))
  )
  const fiber = yield* Effect.forkScoped(holding)
  yield* Shutdown.step({ name: "lease", phase: "release" })(
    Effect.andThen(Fiber.interrupt(fiber), Console.log("lease free"))
  )
  yield* Deferred.await(held)
  yield* ready.ok
}))

/** A part that nobody can stop. */
const mailer = Layer.effectDiscard(
  Shutdown.step({ name: "mailer", phase: "drain", timeout: "200 millis", holds: Effect.succeed("3 letters") })(
    Effect.uninterruptible(Effect.never)
  )
)

const parts = Layer.mergeAll(jobs, Health.layerHttp, HttpDrain.layer(), settings.hangs ? mailer : Layer.empty)

const server = NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })

const listening = Layer.effectDiscard(HttpServer.addressFormattedWith((url) => Console.log(`listens ${url}`)))

const service = listening.pipe(
  Layer.provide(HttpRouter.serve(parts, { disableLogger: true, disableListenLog: true })),
  Layer.provide([lease, server]),
  Layer.provide(Health.layer)
)

const told = Shutdown.layer({
  readinessDelay: "100 millis",
  timeout: "25 seconds",
  hurryFor: "5 seconds",
  onReport: (report) => Console.log(ShutdownReport.format(report))
})

const main = (store: Layer.Layer<LeaseStore.LeaseStore, Error>) =>
  Layer.launch(Layer.provide(service, store)).pipe(Shutdown.run, Effect.provide(told))

NodeRuntime.runMain(
  Effect.flatMap(Effect.promise(settings.store), ({ layer }) => main(layer)),
  { teardown: Shutdown.teardown }
)
