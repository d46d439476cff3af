import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Metric from "effect/Metric"
import { metrics, work } from "./main.ts"

describe("a service that is scraped", () => {
  it.live("tells over HTTP what became of each letter, and that nothing is left", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const scrape = Effect.promise(async () => {
        const answer = await fetch(`${HttpServer.formatAddress(address)}/metrics`)
        return { type: answer.headers.get("content-type"), text: await answer.text() }
      })
      yield* work(210)
      const { text, type } = yield* scrape
      const value = (series: string) => {
        const line = text.split("\n").find((line) => line.startsWith(`${series} `))
        return Number(line?.slice(series.length))
      }
      assert.strictEqual(type, "text/plain; version=0.0.4; charset=utf-8")
      assert.strictEqual(value("heddle_worker_pool_completed_total{name=\"fast\"}"), 120)
      assert.strictEqual(value("heddle_worker_pool_failed_total{name=\"fast\"}"), 20)
      assert.strictEqual(value("heddle_worker_pool_completed_total{name=\"slow\"}"), 60)
      assert.strictEqual(value("heddle_worker_pool_failed_total{name=\"slow\"}"), 10)
      assert.strictEqual(value("heddle_worker_pool_latency_seconds_count{name=\"slow\"}"), 70)
      assert.strictEqual(value("heddle_bulkhead_calls_total{bulkhead=\"mail server\",outcome=\"ended\"}"), 210)
      assert.strictEqual(value("heddle_bulkhead_occupancy{bulkhead=\"mail server\",state=\"running\"}"), 0)
      assert.strictEqual(value("heddle_worker_pool_depth{name=\"fast\"}"), 0)
      assert.isAbove(value("effect_fibers_started_total"), 210)
      assert.isAbove(value("process_memory_usage_bytes"), 1e6)
    }).pipe(
      Effect.scoped,
      Effect.provide(metrics(0)),
      Effect.provideService(Metric.MetricRegistry, new Map())
    ))
})
