import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { HttpDrain, Shutdown } from "heddle/lifecycle"

/** A server in memory that writes down what it works on, and what it answered. */
const serving = Effect.gen(function*() {
  const context = yield* Layer.build(Shutdown.layer({ onReport: () => Effect.void }))
  const working = new Set<number>()
  const answers: Array<number> = []
  const work = Effect.gen(function*() {
    const id = yield* Random.nextInt
    working.add(id)
    yield* Effect.sleep(1)
    working.delete(id)
    return HttpServerResponse.empty()
  })
  const routes = Layer.mergeAll(HttpRouter.add("GET", "/work", work), HttpDrain.layer())
  const app = yield* HttpRouter.toHttpEffect(Layer.provide(routes, Layer.succeedContext(context)))
  const handled = HttpEffect.toHandled(app, (_, { status }) => Effect.sync(() => answers.push(status)))
  const request = Effect.suspend(() =>
    Effect.provideService(
      handled,
      HttpServerRequest.HttpServerRequest,
      HttpServerRequest.fromWeb(new Request("http://heddle/work"))
    )
  )
  return { request, working, answers, ...yield* Effect.provide(Shutdown.Shutdown, context) }
})

describe("an HTTP server that drains, under every kind of interleaving", () => {
  it.live(
    "answers each request with its work done or with 503, and works on none when the step has ended",
    () =>
      Explore.run(
        Effect.scoped(Effect.gen(function*() {
          const { answers, begin, request, working } = yield* serving
          const end = Effect.map(begin, (report) => {
            assert.isTrue(report.clean)
            assert.strictEqual(working.size, 0)
          })
          yield* Effect.all([request, request, end, request], { concurrency: "unbounded" })
          assert.lengthOf(answers, 3)
          for (const status of answers) assert.include([204, 503], status)
        })),
        { runs: 300, leaks: true }
      ),
    120_000
  )

  it.live("a request that is interrupted anywhere is not waited for", () =>
    InterruptSweep.run({
      setup: serving,
      program: ({ request }) => Effect.all([request, request], { concurrency: "unbounded" }),
      invariant: ({ begin }) =>
        Effect.gen(function*() {
          const report = yield* begin
          assert.isTrue(report.clean)
          assert.isBelow(report.millis, 100)
        }),
      target: "all"
    }), 120_000)
})
