import { type MetricRow, rowsOf } from "./MetricRow.ts"

const node = rowsOf("runtime", {}, "")
const fibers = rowsOf("runtime", {}, "fiber")

/** Of the process itself. OpenTelemetry's names, as Prometheus spells them; Effect's fibers have none there. */
export const runtimeRows = [
  node.counter("process_cpu_time_seconds_total", "Processor time that the process has used", {
    cpu_mode: ["user", "system"]
  }),
  node.gauge("process_memory_usage_bytes", "Memory of the process that is in use"),
  node.gauge("v8js_memory_heap_used_bytes", "Heap that objects take"),
  node.gauge("v8js_memory_heap_size_bytes", "Heap that the engine has"),
  node.gauge("v8js_memory_external_bytes", "Memory outside the heap that objects hold"),
  node.histogram("v8js_gc_duration_seconds", "How long the garbage collector ran", {
    v8js_gc_type: ["minor", "major", "incremental", "weakcb"]
  }),
  node.counter("nodejs_eventloop_time_seconds_total", "Time of the event loop", {
    nodejs_eventloop_state: ["active", "idle"]
  }),
  node.gauge("nodejs_eventloop_utilization_ratio", "Share of the last second in which the event loop worked"),
  node.histogram("nodejs_eventloop_delay_seconds", "How late timers were"),
  fibers.gauge("effect_fibers_active", "Fibers that have begun and not ended"),
  fibers.counter("effect_fibers_started_total", "Fibers that have begun"),
  fibers.counter("effect_fibers_ended_total", "Fibers that have ended, by how", {
    outcome: ["success", "failure", "interrupted"]
  })
] as const satisfies ReadonlyArray<MetricRow>
