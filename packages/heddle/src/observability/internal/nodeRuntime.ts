import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { watchLoop } from "./loopDelay.ts"
import { runtimeRows } from "./runtimeRows.ts"

// What is read of the process: Node has all of it, other runtimes some.
declare const process: {
  readonly cpuUsage?: () => { readonly user: number; readonly system: number }
  readonly memoryUsage?: () => {
    readonly rss: number
    readonly heapUsed: number
    readonly heapTotal: number
    readonly external: number
  }
} | undefined
declare const performance: {
  readonly eventLoopUtilization?: () => { readonly active: number; readonly idle: number }
}
declare const PerformanceObserver:
  | (new(call: (list: Collections) => void) => {
    readonly observe: (options: { readonly entryTypes: ReadonlyArray<string> }) => void
    readonly disconnect: () => void
  })
  | undefined

interface Collections {
  readonly getEntries: () => ReadonlyArray<{ readonly duration: number; readonly detail?: { readonly kind?: number } }>
}

type Name = (typeof runtimeRows)[number]["name"]
type Attributes = Readonly<Record<string, string>>

const described = (name: Name) => ({ description: runtimeRows.find((row) => row.name === name)?.description ?? name })
const boundaries = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5]
const delays = Metric.histogram("nodejs_eventloop_delay_seconds", {
  ...described("nodejs_eventloop_delay_seconds"),
  boundaries
})
const collections = Metric.histogram("v8js_gc_duration_seconds", {
  ...described("v8js_gc_duration_seconds"),
  boundaries
})
const kinds = new Map([[1, "minor"], [4, "major"], [8, "incremental"], [16, "weakcb"]])

/** Metrics that are read when somebody looks, in one registry. */
class Readings {
  private readonly registrations: Array<Metric.Registration> = []
  private readonly context: Context.Context<never>
  constructor(context: Context.Context<never>) {
    this.context = context
  }
  counter(name: Name, read: () => number, attributes: Attributes = {}): void {
    const metric = Metric.counter(name, { ...described(name), attributes, incremental: true })
    const get = () => ({ count: read(), incremental: true })
    this.registrations.push(Metric.registerUnsafe(metric, this.context, { get, ...still }))
  }
  gauge(name: Name, read: () => number): void {
    const metric = Metric.gauge(name, described(name))
    this.registrations.push(
      Metric.registerUnsafe(metric, this.context, { get: () => ({ value: read() }), ...still })
    )
  }
  remove(): void {
    for (const { remove } of this.registrations) remove()
  }
}
const still = { update: () => {}, modify: () => {} }

const readProcess = (readings: Readings, { cpuUsage, memoryUsage }: NonNullable<typeof process>): void => {
  if (cpuUsage !== undefined) {
    for (const mode of ["user", "system"] as const) {
      readings.counter("process_cpu_time_seconds_total", () => cpuUsage()[mode] / 1e6, { cpu_mode: mode })
    }
  }
  if (memoryUsage === undefined) return
  readings.gauge("process_memory_usage_bytes", () => memoryUsage().rss)
  readings.gauge("v8js_memory_heap_used_bytes", () => memoryUsage().heapUsed)
  readings.gauge("v8js_memory_heap_size_bytes", () => memoryUsage().heapTotal)
  readings.gauge("v8js_memory_external_bytes", () => memoryUsage().external)
}

/** Answers what looks again at how busy the loop was, each second. */
const readLoop = (readings: Readings, busy: () => { readonly active: number; readonly idle: number }) => {
  for (const state of ["active", "idle"] as const) {
    const attributes = { nodejs_eventloop_state: state }
    readings.counter("nodejs_eventloop_time_seconds_total", () => busy()[state] / 1000, attributes)
  }
  let share = 0
  let last = busy()
  readings.gauge("nodejs_eventloop_utilization_ratio", () => share)
  const look = Effect.sync(() => {
    const next = busy()
    const active = next.active - last.active
    const all = active + next.idle - last.idle
    if (all > 0) share = active / all
    last = next
  })
  return Effect.forever(Effect.andThen(Effect.sleep("1 second"), look))
}

const watchCollections = (context: Context.Context<never>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      if (typeof PerformanceObserver === "undefined") return undefined
      const series = new Map(
        Array.from(kinds, ([kind, type]) => [kind, Metric.withAttributes(collections, { v8js_gc_type: type })])
      )
      const observer = new PerformanceObserver((list) => {
        for (const { detail, duration } of list.getEntries()) {
          series.get(detail?.kind ?? 0)?.updateUnsafe(duration / 1000, context)
        }
      })
      observer.observe({ entryTypes: ["gc"] })
      return observer
    }),
    (observer) => Effect.sync(() => observer?.disconnect())
  )

const countFibers = (readings: Readings, outer: Metric.FiberRuntimeMetricsService | undefined) => {
  const ended = { success: 0, failure: 0, interrupted: 0 }
  let started = 0
  readings.counter("effect_fibers_started_total", () => started)
  readings.gauge("effect_fibers_active", () => started - ended.success - ended.failure - ended.interrupted)
  for (const outcome of ["success", "failure", "interrupted"] as const) {
    readings.counter("effect_fibers_ended_total", () => ended[outcome], { outcome })
  }
  const counting: Metric.FiberRuntimeMetricsService = {
    recordFiberStart: (context) => {
      started++
      outer?.recordFiberStart(context)
    },
    recordFiberEnd: (context, exit) => {
      ended[Exit.isSuccess(exit) ? "success" : Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "failure"]++
      outer?.recordFiberEnd(context, exit)
    }
  }
  return counting
}

/** Counts the fibers that begin under it, and reads the process, until its scope closes. */
export const nodeRuntime: Layer.Layer<never> = Layer.effect(
  Metric.FiberRuntimeMetrics,
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.gen(function*() {
      const readings = new Readings(context)
      yield* Effect.addFinalizer(() => Effect.sync(() => readings.remove()))
      if (typeof process !== "undefined") readProcess(readings, process)
      yield* watchCollections(context)
      yield* Effect.forkScoped(watchLoop((millis) => delays.updateUnsafe(millis / 1000, context)))
      const busy = performance.eventLoopUtilization
      if (busy !== undefined) yield* Effect.forkScoped(readLoop(readings, busy))
      return countFibers(readings, Context.get(context, Metric.FiberRuntimeMetrics))
    })
  )
)
