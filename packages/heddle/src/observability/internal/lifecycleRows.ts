import { type MetricRow, rowsOf } from "./MetricRow.ts"

export const lifecycleRows: ReadonlyArray<MetricRow> = [
  rowsOf("Shutdown", { step: "named" }, "step").counter(
    "heddle_shutdown_steps_total",
    "Steps of shutdowns, by how they ended",
    { outcome: ["Finished", "Failed", "TimedOut", "Cut", "Skipped"] }
  ),
  rowsOf("HttpDrain", { server: "named" }, "request").gauge(
    "heddle_http_requests_in_flight",
    "Requests that were taken and are not answered"
  ),
  rowsOf("Health", { component: "named" }, "component").gauge(
    "heddle_health_component",
    "Whether a part of the program is well: 1 or 0"
  )
]
