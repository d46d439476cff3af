import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Prometheus } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Schema from "effect/Schema"
import { WorkerPool } from "heddle/flow"
import { Telemetry } from "heddle/observability"
import { createServer } from "node:http"
import { everyPattern } from "./everyPattern.ts"

const fresh = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Metric.MetricRegistry, new Map())

const app = HttpRouter.serve(Telemetry.layerPrometheus(), { disableLogger: true, disableListenLog: true }).pipe(
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
)

const Answer = Schema.Struct({
  data: Schema.Struct({
    result: Schema.Array(Schema.Struct({ value: Schema.Tuple([Schema.Number, Schema.String]) }))
  })
})

describe("Prometheus itself", () => {
  it.effect(
    "is content with the metrics of every pattern and of the process: promtool says nothing",
    () =>
      fresh(Effect.gen(function*() {
        yield* everyPattern("1")
        const text = yield* Effect.scoped(
          Effect.andThen(Layer.build(Telemetry.layerRuntime), PrometheusMetrics.format())
        )
        assert.strictEqual(yield* Prometheus.complaints(text), "")
        assert.include(yield* Prometheus.complaints("# HELP a_count x\n# TYPE a_count gauge\na_count 1\n"), "a_count")
        assert.notStrictEqual(yield* Prometheus.complaints("no metrics at all\n"), "")
      })),
    120_000
  )

  it.live("scrapes the endpoint, and knows what was done", () =>
    fresh(
      Effect.gen(function*() {
        const pool = yield* WorkerPool.make({ size: 2, name: "mail" })
        yield* Effect.all([pool.submit(Effect.void), pool.submit(Effect.void), pool.submit(Effect.void)])
        const { address } = yield* HttpServer.HttpServer
        if (!("port" in address)) return yield* Effect.die("no port")
        const { url } = yield* Prometheus.scraping(`127.0.0.1:${address.port}`)
        const ask = (query: string) =>
          Effect.tryPromise(() => fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`)).pipe(
            Effect.flatMap((answer) => Effect.tryPromise(() => answer.json())),
            Effect.flatMap(Schema.decodeUnknownEffect(Answer)),
            Effect.map(({ data }) => data.result.map(({ value: [, value] }) => value))
          )
        const scraped = Effect.repeat(Effect.delay(ask("up{job=\"app\"}"), "100 millis"), {
          until: ([up]) => up !== undefined
        })
        assert.deepStrictEqual(yield* Effect.timeout(scraped, "60 seconds"), ["1"])
        assert.deepStrictEqual(yield* ask("heddle_worker_pool_completed_total{name=\"mail\"}"), ["3"])
        assert.deepStrictEqual(yield* ask("heddle_worker_pool_depth{name=\"mail\"}"), ["0"])
      }).pipe(Effect.scoped, Effect.provide(app))
    ), 120_000)
})
