import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { TestClock } from "effect/testing"
import { Health, HttpDrain, Shutdown } from "heddle/lifecycle"

/** A server with one slow route, in memory. */
const serving = (options?: Shutdown.Options, name = "http") =>
  Effect.gen(function*() {
    const context = yield* Layer.build(
      Layer.provideMerge(Health.layer, Shutdown.layer({ onReport: () => Effect.void, ...options }))
    )
    const entered = yield* Deferred.make<void>()
    const answer = yield* Deferred.make<void>()
    const slow = Deferred.succeed(entered, undefined).pipe(
      Effect.andThen(Deferred.await(answer)),
      Effect.as(HttpServerResponse.text("done"))
    )
    const routes = Layer.mergeAll(
      HttpRouter.add("GET", "/slow", slow),
      HttpRouter.add("GET", "/quick", HttpServerResponse.text("done")),
      Health.layerHttp,
      HttpDrain.layer({ name, timeout: 200 })
    )
    const web = HttpRouter.toWebHandler(Layer.provide(routes, Layer.succeedContext(context)), { disableLogger: true })
    yield* Effect.addFinalizer(() => Effect.promise(web.dispose))
    const get = (path: string) =>
      Effect.promise(async () => {
        const response = await web.handler(new Request(`http://heddle${path}`))
        await response.text()
        return [response.status, response.headers.get("connection")]
      })
    // The layer is built with the first request.
    yield* get("/quick")
    return { get, entered: Deferred.await(entered), answer, ...yield* Effect.provide(Shutdown.Shutdown, context) }
  })

describe("an HTTP server that drains", () => {
  it.live("AC-10.5 answers what it has taken, refuses what comes after with 503, and is asked for its health to the last", () =>
    Effect.gen(function*() {
      const { answer, begin, entered, get } = yield* serving()
      const taken = yield* Effect.forkChild(get("/slow"), { startImmediately: true })
      yield* entered
      assert.deepStrictEqual(yield* get("/quick"), [200, null])
      const shutdown = yield* Effect.forkChild(begin, { startImmediately: true })
      yield* Effect.repeat(get("/quick"), { until: ([status]) => status === 503 })
      assert.deepStrictEqual(yield* get("/quick"), [503, "close"])
      assert.deepStrictEqual(yield* get("/livez"), [200, "close"])
      assert.deepStrictEqual(yield* get("/readyz"), [503, "close"])
      assert.isUndefined(shutdown.pollUnsafe())
      yield* Deferred.succeed(answer, undefined)
      assert.deepStrictEqual(yield* Fiber.join(taken), [200, "close"])
      assert.isTrue((yield* Fiber.join(shutdown)).clean)
    }))

  it.effect("AC-10.5 serves as ever while load balancers look, and asks clients to come again elsewhere", () =>
    Effect.gen(function*() {
      const { begin, get } = yield* serving({ readinessDelay: "20 seconds" })
      yield* Effect.forkChild(begin, { startImmediately: true })
      assert.deepStrictEqual(yield* get("/readyz"), [503, "close"])
      assert.deepStrictEqual(yield* get("/quick"), [200, "close"])
      assert.deepStrictEqual(yield* get("/nowhere"), [404, "close"])
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(yield* get("/quick"), [503, "close"])
    }))

  it.live("names the requests that did not end in its time", () =>
    Effect.gen(function*() {
      const { begin, entered, get } = yield* serving()
      yield* Effect.forkChild(get("/slow?token=secret"), { startImmediately: true })
      yield* entered
      const { steps } = yield* begin
      assert.deepStrictEqual(steps[0]?.outcome, { _tag: "TimedOut", held: "1 in flight: GET /slow", left: false })
    }))

  it.live("a metric counts what is in flight, and returns to 0", () =>
    Effect.gen(function*() {
      const { answer, begin, entered, get } = yield* serving({}, "measured")
      const inFlight = Effect.map(
        Metric.snapshot,
        (all) => all.find(({ attributes }) => attributes?.["server"] === "measured")?.state
      )
      const taken = yield* Effect.forkChild(get("/slow"), { startImmediately: true })
      yield* entered
      assert.deepStrictEqual(yield* inFlight, { value: 1 })
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(taken)
      assert.deepStrictEqual(yield* inFlight, { value: 0 })
      yield* begin
      assert.deepStrictEqual(yield* get("/quick"), [503, "close"])
      assert.deepStrictEqual(yield* inFlight, { value: 0 })
    }))
})
