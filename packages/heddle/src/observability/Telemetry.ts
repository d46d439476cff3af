/**
 * Everything that Heddle measures, in one catalogue, and the ways out of the process.
 *
 * Every pattern counts what it does in Effect's metrics, and opens spans where somebody traces. The catalogue has each name, with
 * its type, unit and labels; a label has a bounded set of values, so there are never more series than the app has names for its
 * patterns, however many keys, jobs or users it has.
 *
 * **When to use**
 *
 * In the main of a service: `layerPrometheus` where Prometheus scrapes, `layerOtlp` where a collector takes metrics, traces and
 * logs. `layerRuntime` adds the process, the event loop and the fibers to either.
 *
 * **Gotchas**
 *
 * `effect_fibers_*` count the fibers that begin under the layer: provide it at the edge, around everything.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Otlp from "effect/observability/Otlp"
import type * as OtlpExporter from "effect/observability/OtlpExporter"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { InvalidOption } from "../internal/InvalidOption.ts"
import { coordinationRows } from "./internal/coordinationRows.ts"
import { flowRows } from "./internal/flowRows.ts"
import { grpcRows } from "./internal/grpcRows.ts"
import { lifecycleRows } from "./internal/lifecycleRows.ts"
import { messagingRows } from "./internal/messagingRows.ts"
import type { LabelValues, MetricRow } from "./internal/MetricRow.ts"
import { nodeRuntime } from "./internal/nodeRuntime.ts"
import { resilienceRows } from "./internal/resilienceRows.ts"
import { runtimeRows } from "./internal/runtimeRows.ts"
import { type SpanRow, spanRows } from "./internal/spanRows.ts"

export type { LabelValues, MetricRow, SpanRow }

/**
 * Every metric of Heddle, and of the runtime.
 *
 * **Example** (The counters of locks)
 *
 * ```ts
 * import { Telemetry } from "heddle/observability"
 *
 * const counters = Telemetry.metrics.filter(({ of, type }) => of === "DistributedLock" && type === "counter")
 * counters.map(({ name }) => name) // => ["heddle_lock_acquisitions_total"]
 * ```
 *
 * @category catalogue
 * @since 0.1.0
 */
export const metrics: ReadonlyArray<MetricRow> = [
  ...coordinationRows,
  ...flowRows,
  ...resilienceRows,
  ...messagingRows,
  ...lifecycleRows,
  ...grpcRows,
  ...runtimeRows
]

/**
 * Every span of Heddle. None is opened unless somebody traces.
 *
 * @category catalogue
 * @since 0.1.0
 */
export const spans: ReadonlyArray<SpanRow> = spanRows

/**
 * Measures the process until its scope closes: processor and memory, heap, garbage collections, how busy and how late the event
 * loop is, and the fibers that begin under it. What the runtime does not tell is left out; Node tells all of it.
 *
 * It wakes twenty times a second to see how late it is.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRuntime: Layer.Layer<never> = nodeRuntime

/**
 * Serves all metrics to Prometheus as a route of the app's own HTTP server, `/metrics` by default. A scrape reads the numbers of one
 * moment.
 *
 * **Example** (An app with metrics)
 *
 * ```ts
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 * import { HttpRouter, HttpServer } from "effect/http"
 * import { Telemetry } from "heddle/observability"
 * import { createServer } from "node:http"
 *
 * const app = HttpRouter.serve(Telemetry.layerPrometheus(), { disableLogger: true, disableListenLog: true }).pipe(
 *   Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0 }))
 * )
 * const scrape = Effect.flatMap(HttpServer.HttpServer, ({ address }) =>
 *   Effect.promise(() => fetch(`${HttpServer.formatAddress(address)}/metrics`).then((answer) => answer.status)))
 *
 * await Effect.runPromise(Effect.provide(scrape, app)) // => 200
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPrometheus = (
  options: { readonly path?: HttpRouter.PathInput | undefined } = {}
): Layer.Layer<never, never, HttpRouter.HttpRouter> => PrometheusMetrics.layerHttp(options)

/**
 * Where a collector is, and who is speaking.
 *
 * @category models
 * @since 0.1.0
 */
export interface OtlpOptions {
  /** The collector's address, as `http://127.0.0.1:4318`; the paths `/v1/metrics`, `/v1/traces` and `/v1/logs` are added. */
  readonly url: string
  /** The service's name: 1 to 200 characters. */
  readonly service: string
  readonly version?: string | undefined
  /** More attributes of the resource. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** How often metrics are sent. Default 10 seconds. */
  readonly every?: Duration.Input | undefined
}

/**
 * Sends metrics, traces and logs to a collector by OTLP over HTTP, as JSON. With it, Heddle's patterns open their spans. What is left
 * is sent when its scope closes, for at most 3 seconds. A collector that is away costs nothing but the data. Fails with
 * `InvalidOption` if the service has no name or the address is none.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOtlp = (
  { attributes = {}, every, headers, service, url, version }: OtlpOptions
): Layer.Layer<OtlpExporter.Flusher, InvalidOption> =>
  Layer.unwrap(Effect.suspend(() => {
    const wrong = service.length < 1 || service.length > 200
      ? new InvalidOption({ option: "service", message: "service must be a string of 1 to 200 characters" })
      : /^https?:\/\/[^/]/.test(url)
      ? undefined
      : new InvalidOption({ option: "url", message: "url must begin with http:// or https:// and a host" })
    if (wrong !== undefined) return Effect.fail(wrong)
    const exporter = Otlp.layerJson({
      baseUrl: url,
      resource: { serviceName: service, serviceVersion: version, attributes },
      headers,
      metricsExportInterval: every
    })
    return Effect.succeed(Layer.provide(exporter, FetchHttpClient.layer))
  }))
