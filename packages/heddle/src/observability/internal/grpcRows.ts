import { type MetricRow, rowsOf } from "./MetricRow.ts"

const codes = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED"
]

const labels = { rpc_system_name: ["grpc"], rpc_method: "named", rpc_response_status_code: codes } as const

const { histogram } = rowsOf("gRPC", labels, "call")

/** Of `@heddle/grpc`. OpenTelemetry's names, as Prometheus spells them; a method is one of the services that the app has. */
export const grpcRows: ReadonlyArray<MetricRow> = [
  histogram("rpc_server_call_duration_seconds", "How long calls took that this process has answered"),
  histogram("rpc_client_call_duration_seconds", "How long calls took that this process has made")
]
