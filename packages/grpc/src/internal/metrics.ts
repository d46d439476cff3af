/** How long calls took, by OpenTelemetry's names as Prometheus spells them. */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"

const boundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

const server = Metric.histogram("rpc_server_call_duration_seconds", {
  description: "How long calls took that this process has answered",
  boundaries
})

const client = Metric.histogram("rpc_client_call_duration_seconds", {
  description: "How long calls took that this process has made",
  boundaries
})

/** Notes a call that has ended: how, and when it began by `performance.now`. */
export type Observe = (status: string, began: number, context: Context.Context<never>) => void

/** The series of one method: attributes given with each update cost more than the update. */
const observer = (metric: typeof server) => (method: string): Observe => {
  const series = new Map<string, typeof metric>()
  return (status, began, context) => {
    let one = series.get(status)
    if (one === undefined) {
      const labels = { rpc_system_name: "grpc", rpc_method: method, rpc_response_status_code: status }
      series.set(status, one = Metric.withAttributes(metric, labels))
    }
    one.updateUnsafe((performance.now() - began) / 1000, context)
  }
}

export const serverObserver = observer(server)
export const clientObserver = observer(client)
