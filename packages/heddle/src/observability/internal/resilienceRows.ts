import { type MetricRow, rowsOf } from "./MetricRow.ts"

const limiter = rowsOf("AdaptiveLimiter", { limiter: "named" }, "call")
const bulkhead = rowsOf("Bulkhead", { bulkhead: "named" }, "call")
const breaker = rowsOf("CircuitBreaker", { breaker: "named" }, "call")
const level = rowsOf("LoadLevel", { service: "named" }, "level")

export const resilienceRows: ReadonlyArray<MetricRow> = [
  limiter.counter(
    "heddle_adaptive_limiter_calls_total",
    "Calls, by what they said about the dependency; refused ones did not run",
    { outcome: ["success", "dropped", "ignored", "refused"] }
  ),
  limiter.gauge("heddle_adaptive_limiter_occupancy", "How many calls may run, and how many do", {
    state: ["limit", "running"]
  }),
  bulkhead.counter(
    "heddle_bulkhead_calls_total",
    "Calls, by what came of them: ended, refused as the line was full, timed out or interrupted in the line",
    { outcome: ["ended", "full", "timeout", "interrupted"] }
  ),
  bulkhead.gauge("heddle_bulkhead_occupancy", "Calls that run and calls that wait", { state: ["running", "waiting"] }),
  bulkhead.histogram("heddle_bulkhead_wait_seconds", "How long calls stood in the line, whatever came of it"),
  breaker.counter("heddle_circuit_breaker_calls_total", "Calls, by how they ended; refused ones did not run", {
    outcome: ["success", "failure", "ignored", "refused"]
  }),
  rowsOf("CircuitBreaker", { breaker: "named" }, "change").counter(
    "heddle_circuit_breaker_changes_total",
    "Changes of a circuit's state, by the state that it went to",
    { to: ["closed", "open", "half-open", "isolated"] }
  ),
  rowsOf("CircuitBreaker", { breaker: "named" }, "circuit").gauge(
    "heddle_circuit_breaker_open",
    "Circuits that are not closed"
  ),
  level.gauge("heddle_load_level", "How much of the service there is: 0 full, 1 reduced, 2 minimal, 3 emergency"),
  rowsOf("LoadLevel", { service: "named" }, "change").counter(
    "heddle_load_level_changes_total",
    "Changes of the level, by the level that it went to",
    { to: ["full", "reduced", "minimal", "emergency"] }
  ),
  rowsOf("RateLimiter", { limiter: "named" }, "call").counter(
    "heddle_rate_limiter_decisions_total",
    "Decisions: granted, refused by the store, refused as it was still known, made without the store as it was down",
    { decision: ["granted", "refused", "remembered", "down"] }
  ),
  rowsOf("Retry", { retry: "named" }, "retry").counter(
    "heddle_retries_total",
    "Retries, and failures given back since there was no retry left, the budget denied it, or it came too late",
    { outcome: ["retried", "exhausted", "denied", "late"] }
  ),
  rowsOf("RetryBudget", { budget: "named" }, "request").counter(
    "heddle_retry_budget_extras_total",
    "Retries and hedges that asked the budget, and what it answered",
    { answer: ["allowed", "denied"] }
  )
]
